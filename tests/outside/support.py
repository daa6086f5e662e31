"""What the tests of this folder share: a running kernel that must not complain, and clients that must not either."""

import contextlib
import os
import tempfile
import unittest

from jupyter_client.manager import KernelManager

TIMEOUT = 20


@contextlib.contextmanager
def kernel():
    """A kernel manager whose kernel writes nothing to its standard error."""
    with tempfile.TemporaryFile() as complaints:
        manager = KernelManager(kernel_name="minerva")
        manager.start_kernel(stderr=complaints)
        try:
            yield manager
        finally:
            manager.shutdown_kernel()
            complaints.seek(0)
            said = complaints.read().decode()
            assert said == "", f"the kernel wrote to stderr: {said}"


@contextlib.contextmanager
def client(manager):
    """A blocking client that is connected."""
    connected = manager.blocking_client()
    connected.start_channels()
    try:
        connected.wait_for_ready(timeout=TIMEOUT)
        yield connected
    finally:
        connected.stop_channels()


def reply_to(connected, msg_id):
    """The reply to a request; replies to others before it are a mistake."""
    reply = connected.get_shell_msg(timeout=TIMEOUT)
    assert reply["parent_header"]["msg_id"] == msg_id, reply
    return reply["content"]


def outputs_of(connected, msg_id):
    """Everything on iopub about a request, up to its `idle`."""
    seen = []
    while True:
        message = connected.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") != msg_id:
            continue
        seen.append(message)
        if message["content"].get("execution_state") == "idle":
            return seen


class Quiet(unittest.TestCase):
    """A test in which no library may log a warning."""

    def run(self, result=None):
        with self.assertNoLogs(level="WARNING"):
            return super().run(result)


def environment():
    return dict(os.environ, TERM="xterm", NO_COLOR="1")
