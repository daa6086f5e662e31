"""`minerva lab` for clients that others wrote: jupyter_kernel_client, and the requests VS Code makes of a running server."""

import asyncio
import http.cookies
import json
import pathlib
import tempfile
import time
import unittest
import unittest.mock
import urllib.parse
import uuid

from jupyter_kernel_client import JupyterKernelClient, JupyterSubprotocol
from jupyter_kernel_client.utils import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from jupyter_kernel_client.wsclient import WSSession
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from lab import TIMEOUT, Lab

V1 = "v1.kernel.websocket.jupyter.org"


class WithLab(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name, "root")
        self.root.mkdir()
        environment = {"XDG_DATA_HOME": folder.name, "JUPYTER_RUNTIME_DIR": folder.name}
        self.lab = Lab(self.root, environment=environment).start()
        self.addCleanup(self.lab.log.close)
        self.addCleanup(self.lab.stop)


class KernelClient(WithLab):
    def talk(self, **options):
        kernel = JupyterKernelClient(server_url=self.lab.url, token=self.lab.token, client_kwargs=options)
        kernel.start(name="minerva")
        try:
            reply = kernel.execute('let x = 6; print("six"); x * 7')
            self.assertEqual(reply["status"], "ok", reply)
            stream, result = reply["outputs"]
            self.assertEqual((stream["output_type"], stream["name"], stream["text"]), ("stream", "stdout", "six\n"))
            self.assertEqual((result["output_type"], result["data"]["text/plain"]), ("execute_result", "42"))
            reply = kernel.execute("nothing_here")
            self.assertEqual((reply["status"], reply["outputs"][0]["ename"]), ("error", "VariableNotFound"))
            kernel.restart()
            self.assertEqual(kernel.execute("x")["status"], "error", "a kernel that restarted has forgotten")
            self.assertEqual(kernel.execute("1 + 1")["outputs"][0]["data"]["text/plain"], "2")
            self.assertEqual([k["id"] for k in kernel.list_kernels()], [kernel.id])
        finally:
            kernel.stop()
        self.assertEqual(kernel.list_kernels(), [], "the client stops the kernel it has started")

    def test_json_messages(self):
        self.talk(subprotocol=JupyterSubprotocol.DEFAULT)

    def test_binary_messages(self):
        # Its 1.0.2 wants to log the channel of a message, which it has not set here, and loses the message: of any server.
        read = WSSession.deserialize
        with unittest.mock.patch.object(WSSession, "deserialize", lambda *parts: {**read(*parts), "channel": "any"}):
            self.talk(subprotocol=JupyterSubprotocol.V1)


class VsCode(WithLab):
    """The order of requests is that of the Jupyter extension (its JupyterPasswordConnect, its session factory) and of the
    @jupyterlab/services below it, which numbers every GET so that no cache answers. None of them has an Origin."""

    def ask(self, method, path, body=None, *, expected=200, headers=None):
        if method == "GET":
            path += f"{'&' if '?' in path else '?'}{time.time_ns() // 1_000_000}"
        headers = {"Authorization": f"token {self.lab.token}"} if headers is None else dict(headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        status, _, answer = self.lab.ask(method, path, body if body is None else json.dumps(body).encode(), headers)
        self.assertEqual(status, expected, f"{method} {path}: {answer[:500]}")
        return json.loads(answer) if answer else None

    def test_an_address_with_a_token(self):
        self.no_hub()
        # A redirect means a password, but for who has a token.
        self.assertEqual(self.lab.ask("GET", "/tree?", headers={"Connection": "keep-alive"})[0], 302)
        self.work(None, f"&token={self.lab.token}")

    def test_the_token_typed_as_a_password(self):
        self.no_hub()
        plain = {"Connection": "keep-alive"}
        self.assertEqual(self.lab.ask("GET", "/tree?", headers=plain)[0], 302)
        status, headers, _ = self.lab.ask("GET", "/login?", headers=plain)
        self.assertEqual(status, 200)
        xsrf = self.cookies(headers)["_xsrf"].split(";")[0]
        form = {**plain, "Cookie": f"_xsrf={xsrf}", "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
        body = urllib.parse.urlencode({"_xsrf": xsrf, "password": self.lab.token}).encode()
        status, headers, _ = self.lab.ask("POST", "/login?", body, form)
        self.assertEqual(status, 302)
        # The first cookie is taken for the session's, and goes back with all its attributes.
        name, value = next(iter(self.cookies(headers).items()))
        self.assertNotEqual(name, "_xsrf")
        self.work({"Cookie": f"_xsrf={xsrf}; {name}={value}", "X-XSRFToken": xsrf}, "")

    def test_a_wrong_password(self):
        status, headers, _ = self.lab.ask("GET", "/login?", headers={})
        xsrf = self.cookies(headers)["_xsrf"].split(";")[0]
        body = urllib.parse.urlencode({"_xsrf": xsrf, "password": "guess"}).encode()
        form = {"Cookie": f"_xsrf={xsrf}", "Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
        status, headers, _ = self.lab.ask("POST", "/login?", body, form)
        self.assertGreaterEqual(status, 400)
        # Whatever it was given, it opens nothing.
        held = http.cookies.SimpleCookie()
        for line in headers.get_all("Set-Cookie", []):
            held.load(line)
        jar = "; ".join(f"{key}={morsel.value}" for key, morsel in held.items())
        self.assertEqual(self.lab.ask("GET", "/api/kernels", headers={"Cookie": jar})[0], 403)

    def no_hub(self):
        self.assertNotEqual(self.lab.ask("GET", "/hub/api", headers={"Connection": "keep-alive"})[0], 200)

    def cookies(self, headers):
        return dict(line.split("=", 1) for line in headers.get_all("Set-Cookie", []))

    def work(self, headers, query):
        """List what there is, start a session, run a cell, rename, stop."""
        def ask(method, path, body=None, expected=200):
            return self.ask(method, path, body, expected=expected, headers=headers)

        self.assertEqual(ask("GET", "/api/kernels"), [])
        specs = ask("GET", "/api/kernelspecs")
        self.assertEqual(specs["default"], "minerva")
        spec = specs["kernelspecs"]["minerva"]
        self.assertEqual((spec["name"], spec["spec"]["language"]), ("minerva", "rhai"))
        self.assertEqual(ask("GET", "/api/sessions"), [])

        # A notebook of its own on the server, under a name nobody else has.
        untitled = ask("POST", "/api/contents", {"type": "notebook"}, 201)
        path = f"experiment-jvsc-{uuid.uuid4()}.ipynb"
        self.assertEqual(ask("PATCH", f"/api/contents/{untitled['path']}", {"path": path})["path"], path)
        model = ask("GET", f"/api/contents/{path}?content=1")
        self.assertEqual((model["type"], model["content"]["nbformat"]), ("notebook", 4))

        name = f"experiment-{uuid.uuid4()}.ipynb"
        body = {"path": path, "type": "notebook", "name": name, "kernel": {"name": "minerva"}}
        session = ask("POST", "/api/sessions", body, 201)
        kernel = session["kernel"]["id"]
        again = ask("POST", "/api/sessions", body, 201)
        self.assertEqual((again["id"], again["kernel"]["id"]), (session["id"], kernel), "one session for a path")
        self.assertEqual(ask("GET", f"/api/kernels/{kernel}")["name"], "minerva")

        asyncio.run(self.cell(kernel, headers, query))

        renamed = ask("PATCH", f"/api/sessions/{session['id']}", {"id": session["id"], "name": "other.ipynb"})
        self.assertEqual(renamed["kernel"]["id"], kernel)
        self.assertEqual([s["id"] for s in ask("GET", "/api/sessions")], [session["id"]])
        ask("POST", f"/api/kernels/{kernel}/interrupt", {}, 204)
        self.assertEqual(ask("POST", f"/api/kernels/{kernel}/restart", {})["id"], kernel)
        ask("DELETE", f"/api/sessions/{session['id']}", None, 204)
        self.assertEqual(ask("GET", "/api/kernels"), [], "a session takes its kernel along")
        ask("DELETE", f"/api/contents/{path}", None, 204)
        self.assertEqual(list(self.root.glob("*.ipynb")), [])

    async def cell(self, kernel, headers, query):
        client = str(uuid.uuid4())
        address = f"ws://127.0.0.1:{self.lab.port}/api/kernels/{kernel}/channels?session_id={client}{query}"
        socket = await websocket_connect(HTTPRequest(address, headers=headers or {}), subprotocols=[V1])
        self.assertEqual(socket.selected_subprotocol, V1)
        try:
            await self.send(socket, client, "kernel_info_request", {})
            reply, _ = await self.until_idle(socket, "kernel_info_reply")
            self.assertEqual(reply["implementation"], "minerva")
            await self.send(socket, client, "execute_request", {
                "code": 'print("seen"); 6 * 7', "silent": False, "store_history": False, "user_expressions": {},
                "allow_stdin": True, "stop_on_error": True,
            })
            reply, seen = await self.until_idle(socket, "execute_reply")
            self.assertEqual(reply["status"], "ok")
            self.assertEqual(seen, ["status", "execute_input", "stream", "execute_result", "status"])
        finally:
            socket.close()

    async def send(self, socket, session, kind, content):
        self.asked = str(uuid.uuid4())
        header = {
            "msg_id": self.asked, "msg_type": kind, "username": "", "session": session, "version": "5.2",
            "date": "2026-01-01T00:00:00Z",
        }
        parts = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        packed = serialize_msg_to_ws_v1(parts, "shell", pack=lambda part: json.dumps(part).encode())
        await socket.write_message(packed, binary=True)

    async def until_idle(self, socket, kind):
        """The reply's content, and the kinds of what came on iopub."""
        reply, seen, idle = None, [], False
        while reply is None or not idle:
            message = await asyncio.wait_for(socket.read_message(), TIMEOUT)
            self.assertIsInstance(message, bytes)
            channel, parts = deserialize_msg_from_ws_v1(message)
            header, parent, _, content = (json.loads(part) for part in parts[:4])
            if parent.get("msg_id") != self.asked:
                continue
            if channel == "iopub":
                seen.append(header["msg_type"])
                idle = idle or content.get("execution_state") == "idle"
            elif header["msg_type"] == kind:
                reply = content
        return reply, seen


if __name__ == "__main__":
    unittest.main()
