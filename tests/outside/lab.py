"""A running `minerva lab`, for tests that speak HTTP to it."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

TIMEOUT = 30
TOKEN = "secret0123456789"
ADDRESS = re.compile(r"http://\S+?:(\d+)/lab(?:/\S*?)?\?token=")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


# No proxy of the environment stands between a test and its own machine.
OPENER = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def free_port():
    with socket.socket() as knocking:
        knocking.bind(("127.0.0.1", 0))
        return knocking.getsockname()[1]


class Lab:
    """The server of one folder. It starts with the first question, in the environment of that moment."""

    def __init__(self, root, *arguments, environment=None):
        self.root, self.arguments, self.environment = str(root), list(arguments), environment or {}
        self.port, self.token = free_port(), TOKEN
        self.process = None
        self.log = tempfile.NamedTemporaryFile(prefix="minerva-lab-", suffix=".log")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def text(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()

    def start(self):
        if self.process:
            assert self.process.poll() is None, f"the server has ended with {self.process.returncode}:\n{self.text()}"
            return self
        fixed = ["--no-browser", "--port", str(self.port), "--token", self.token]
        with open(self.log.name, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["MINERVA"], "lab", *fixed, *self.arguments, self.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + TIMEOUT
        while not (found := ADDRESS.search(self.text())):
            assert time.monotonic() < deadline and self.process.poll() is None, f"no address:\n{self.text()}"
            time.sleep(0.01)
        assert int(found[1]) == self.port, f"another port than {self.port}: {found[0]}"
        return self

    def stop(self):
        """Politely. Who does not end then is killed, and that is a failure."""
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(TIMEOUT)
        finally:
            process.kill()
            process.wait()

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body of an answer, whatever its status. Redirects are not followed."""
        self.start()
        headers = {"Authorization": f"token {self.token}"} if headers is None else headers
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=headers)
        try:
            with OPENER.open(request, timeout=TIMEOUT) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers, refused.read()
