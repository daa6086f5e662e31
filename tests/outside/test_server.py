"""Jupyter Server, which stands between JupyterLab and a kernel: sessions, restarts, interrupts, and not one warning in its
log."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

TIMEOUT = 30


class Server:
    def __init__(self, folder):
        self.log = open(os.path.join(folder, "server.log"), "w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--no-browser", "--ServerApp.port=0", "--IdentityProvider.token=secret",
             "--ServerApp.allow_root=True", f"--ServerApp.root_dir={folder}", "--ServerApp.jpserver_extensions={}"],
            stdout=self.log, stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/", self.text())):
            assert time.monotonic() < deadline and self.process.poll() is None, self.text()
            time.sleep(0.05)
        self.port = int(found[1])

    def text(self):
        with open(self.log.name) as log:
            return log.read()

    async def ask(self, method, path, body=None):
        answer = await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{self.port}/api/{path}?token=secret", method=method,
            body=json.dumps(body) if body is not None else ("" if method == "POST" else None),
        )
        return json.loads(answer.body) if answer.body else None

    async def channels(self, kernel):
        return Channels(await websocket_connect(
            f"ws://127.0.0.1:{self.port}/api/kernels/{kernel}/channels?session_id={uuid.uuid4()}&token=secret"
        ))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(TIMEOUT)
        self.log.close()


class Channels:
    def __init__(self, socket):
        self.socket = socket

    async def send(self, kind, content, channel="shell"):
        msg_id = str(uuid.uuid4())
        await self.socket.write_message(json.dumps({
            "header": {"msg_id": msg_id, "msg_type": kind, "username": "t", "session": "s", "version": "5.4", "date": ""},
            "parent_header": {}, "metadata": {}, "content": content, "channel": channel, "buffers": [],
        }))
        return msg_id

    async def until_idle(self, msg_id):
        """Everything about a request, up to both its reply and its `idle`."""
        seen, reply, idle = [], None, False
        while not (reply and idle):
            text = await asyncio.wait_for(self.socket.read_message(), TIMEOUT)
            message = json.loads(text)
            if message["parent_header"].get("msg_id") == msg_id:
                seen.append(message["msg_type"])
                reply = message["content"] if message["msg_type"].endswith("_reply") else reply
                idle = idle or message["content"].get("execution_state") == "idle"
        return seen, reply

    async def execute(self, code):
        return await self.until_idle(await self.send("execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True,
            "stop_on_error": True,
        }))


class JupyterServer(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.server = Server(self.folder.name)

    def tearDown(self):
        if self.server.process.poll() is None:
            self.server.stop()
        self.folder.cleanup()

    def test_a_session(self):
        asyncio.run(self.session())
        self.server.stop()
        with open(os.path.join(self.folder.name, "server.log")) as log:
            complaints = [line for line in log if re.match(r"\[[WEC] ", line) or "Traceback" in line]
        # What the server says of itself.
        complaints = [c for c in complaints if "websocket_ping_timeout" not in c and "received signal 15" not in c]
        self.assertEqual(complaints, [])

    async def session(self):
        kernel = (await self.server.ask("POST", "kernels", {"name": "minerva"}))["id"]
        channels = await self.server.channels(kernel)
        _, info = await channels.until_idle(await channels.send("kernel_info_request", {}))
        self.assertEqual(info["implementation"], "minerva")
        seen, reply = await channels.execute("let x = 5; print(x); x")
        self.assertEqual((reply["status"], "stream" in seen, "execute_result" in seen), ("ok", True, True))
        running = await channels.send("execute_request", {"code": "loop {}", "silent": False})
        await asyncio.sleep(0.3)
        await self.server.ask("POST", f"kernels/{kernel}/interrupt")
        self.assertEqual((await channels.until_idle(running))[1]["ename"], "Interrupted")
        # A page that is loaded again connects again, under the same kernel.
        channels.socket.close()
        channels = await self.server.channels(kernel)
        self.assertEqual((await channels.execute("x"))[1]["status"], "ok")
        for _ in range(3):
            await self.server.ask("POST", f"kernels/{kernel}/restart")
            _, reply = await channels.execute("x")
            self.assertEqual(reply["ename"], "VariableNotFound")
        await self.server.ask("DELETE", f"kernels/{kernel}")
        channels.socket.close()

    def test_no_kernel_outlives_its_server(self):
        asyncio.run(self.server.ask("POST", "kernels", {"name": "minerva"}))
        with open(f"/proc/{self.server.process.pid}/task/{self.server.process.pid}/children") as listed:
            children = listed.read().split()
        self.assertTrue(children)
        self.server.process.kill()
        self.server.process.wait()
        self.server.log.close()
        deadline = time.monotonic() + TIMEOUT
        while any(os.path.exists(f"/proc/{child}") for child in children):
            self.assertLess(time.monotonic(), deadline, "a kernel is still there")
            time.sleep(0.1)


if __name__ == "__main__":
    unittest.main()
