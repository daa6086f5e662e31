"""Clients of libzmq: several, in unusual orders, killed, and coming back."""

import os
import signal
import subprocess
import sys
import threading
import time
import unittest

from support import TIMEOUT, Quiet, client, kernel, outputs_of, reply_to


class Clients(Quiet):
    def test_the_order_of_vs_code(self):
        """kernel_info, then history, then execute, none waiting for the one before it."""
        with kernel() as manager:
            connected = manager.blocking_client()
            connected.start_channels()
            try:
                # What the kernel publishes before a subscription has arrived is lost to everybody; the welcome says it has.
                self.assertEqual(connected.get_iopub_msg(timeout=TIMEOUT)["msg_type"], "iopub_welcome")
                info = connected.kernel_info()
                history = connected.history(hist_access_type="tail", n=10, raw=True, output=False)
                cell = connected.execute("6 * 7")
                self.assertEqual(reply_to(connected, info)["language_info"]["name"], "rhai")
                self.assertEqual(reply_to(connected, history)["status"], "ok")
                self.assertEqual(reply_to(connected, cell)["status"], "ok")
                kinds = [m["msg_type"] for m in outputs_of(connected, cell)]
                self.assertEqual(kinds, ["status", "execute_input", "execute_result", "status"])
            finally:
                connected.stop_channels()

    def test_input(self):
        with kernel() as manager, client(manager) as connected:
            cell = connected.execute('"<" + input("who? ") + password() + ">"', allow_stdin=True)
            question = connected.get_stdin_msg(timeout=TIMEOUT)
            self.assertEqual(question["content"], {"prompt": "who? ", "password": False})
            connected.input("É")
            self.assertTrue(connected.get_stdin_msg(timeout=TIMEOUT)["content"]["password"])
            connected.input("va")
            self.assertEqual(reply_to(connected, cell)["status"], "ok")
            result = outputs_of(connected, cell)[-2]
            self.assertEqual(result["content"]["data"]["text/plain"], '"<Éva>"')

    def test_ten_clients_live_through_restarts(self):
        """Their sockets stay open, libzmq connects again by itself, each with its identity."""
        with kernel() as manager:
            clients = [manager.blocking_client() for _ in range(10)]
            try:
                for number, one in enumerate(clients):
                    one.session.session = f"client-{number}"
                    one.start_channels()
                    one.wait_for_ready(timeout=TIMEOUT)
                for _ in range(3):
                    manager.restart_kernel(now=False)
                    for one in clients:
                        one.wait_for_ready(timeout=TIMEOUT)
                    ids = [[one.execute(f"{n} + {i}", silent=True) for i in range(20)] for n, one in enumerate(clients)]
                    for one, sent in zip(clients, ids):
                        answered = [one.get_shell_msg(timeout=TIMEOUT) for _ in sent]
                        self.assertEqual([a["parent_header"]["msg_id"] for a in answered], sent)
            finally:
                for one in clients:
                    one.stop_channels()

    def test_a_client_that_is_killed_stops_nobody(self):
        """kill -9 in the middle of a flood, of a question, and with replies on the way."""
        cells = ['let n = 0; loop { print(n); n += 1; }', 'input("?")', 'sleep(600)']
        with kernel() as manager, client(manager) as witness:
            for code in cells:
                child = subprocess.Popen(
                    [sys.executable, __file__, manager.connection_file, code], stdout=subprocess.PIPE, text=True
                )
                self.assertEqual(child.stdout.readline(), "running\n")
                time.sleep(0.3)
                os.kill(child.pid, signal.SIGKILL)
                child.wait()
                child.stdout.close()
                manager.interrupt_kernel()
                # The first may still be among those that the interrupted cell takes with it.
                for expected in (("ok", "aborted"), ("ok",)):
                    cell = witness.execute("1 + 1")
                    self.assertIn(reply_to(witness, cell)["status"], expected)
                    outputs_of(witness, cell)

    def test_two_front_ends_at_once(self):
        with kernel() as manager, client(manager) as first, client(manager) as second:
            def work(connected, failures):
                try:
                    for i in range(200):
                        cell = connected.execute(f"print({i}); {i}")
                        assert reply_to(connected, cell)["status"] == "ok"
                        kinds = [m["msg_type"] for m in outputs_of(connected, cell)]
                        assert kinds == ["status", "execute_input", "stream", "execute_result", "status"], kinds
                except BaseException as failure:
                    failures.append(failure)

            failures = []
            threads = [threading.Thread(target=work, args=(c, failures)) for c in (first, second)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])


def be_killed(connection_file, code):
    from jupyter_client import BlockingKernelClient

    connected = BlockingKernelClient(connection_file=connection_file)
    connected.load_connection_file()
    connected.start_channels()
    connected.wait_for_ready(timeout=TIMEOUT)
    cell = connected.execute(code, allow_stdin=True)
    for _ in range(50):
        connected.kernel_info()
    while connected.get_iopub_msg(timeout=TIMEOUT)["parent_header"].get("msg_id") != cell:
        pass
    print("running", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        be_killed(*sys.argv[1:])
    else:
        unittest.main()
