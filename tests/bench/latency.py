"""Start, round trip and idle memory of Jupyter kernels, one client for all of them.

start: from the launch of the process to the arrival of `kernel_info_reply`, the client's sockets already connecting (and
trying again every millisecond; libzmq's default of 100 would hide everything below it).
round trip: from sending a trivial cell to having both its reply and its `idle`; median of many.
memory: resident and private memory of the kernel's processes, idle after these cells.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

CELLS = 300
KERNELS = {
    "minerva": lambda minerva, file: [minerva, "kernel", file],
    "ipykernel": lambda _, file: [sys.executable, "-m", "ipykernel_launcher", "-f", file],
    "xeus-python": lambda _, file: [sys.executable, "-m", "xpython_launcher", "-f", file],
    "xeus-python (raw)": lambda _, file: [sys.executable, "-m", "xpython_launcher", "-f", file, "--raw"],
}


class Client:
    def __init__(self, context, info):
        self.session = Session(key=info["key"].encode(), signature_scheme=info["signature_scheme"])
        self.sockets = []

        def connect(kind, port):
            socket = context.socket(kind)
            socket.linger = 0
            socket.reconnect_ivl = 1
            socket.rcvtimeo = 30_000
            if kind == zmq.SUB:
                socket.subscribe(b"")
            socket.connect(f"tcp://{info['ip']}:{info[port]}")
            self.sockets.append(socket)
            return socket

        self.shell = connect(zmq.DEALER, "shell_port")
        self.control = connect(zmq.DEALER, "control_port")
        self.iopub = connect(zmq.SUB, "iopub_port")

    def receive(self, socket):
        _, frames = self.session.feed_identities(socket.recv_multipart())
        return self.session.deserialize(frames)

    def reply(self, socket, msg_id):
        # xeus sends null for no parent.
        while ((message := self.receive(socket))["parent_header"] or {}).get("msg_id") != msg_id:
            pass
        return message

    def ask(self, kind, content):
        return self.session.send(self.shell, kind, content)["header"]["msg_id"]

    def execute(self, code):
        msg_id = self.ask("execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True,
        })
        reply = self.reply(self.shell, msg_id)
        assert reply["content"]["status"] == "ok", reply
        while True:
            message = self.reply(self.iopub, msg_id)
            if message["content"].get("execution_state") == "idle":
                return

    def close(self):
        for socket in self.sockets:
            socket.close()


def memory(pid):
    """Resident and private memory of a process and its children, in MB."""
    resident = private = 0
    for line in open(f"/proc/{pid}/smaps_rollup"):
        name, _, rest = line.partition(":")
        if name == "Rss":
            resident += int(rest.split()[0])
        elif name in ("Private_Clean", "Private_Dirty"):
            private += int(rest.split()[0])
    children = open(f"/proc/{pid}/task/{pid}/children").read().split()
    rest = [memory(child) for child in children]
    return (resident / 1024 + sum(r for r, _ in rest), private / 1024 + sum(p for _, p in rest))


def measure(name, minerva, folder):
    file, info = write_connection_file(os.path.join(folder, "connection.json"), key=b"a-key")
    context = zmq.Context()
    client = Client(context, info)
    asked = client.ask("kernel_info_request", {})
    started = time.perf_counter()
    process = subprocess.Popen(
        KERNELS[name](minerva, file), env=dict(os.environ, XDG_DATA_HOME=folder, IPYTHONDIR=folder),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        client.reply(client.shell, asked)
        start = time.perf_counter() - started
        for _ in range(30):
            client.execute("1 + 1")
        trips = []
        for _ in range(CELLS):
            sent = time.perf_counter()
            client.execute("1 + 1")
            trips.append(time.perf_counter() - sent)
        time.sleep(0.5)
        resident, private = memory(process.pid)
    finally:
        process.kill()
        process.wait()
        client.close()
        context.term()
        os.unlink(file)
    return start * 1e3, statistics.median(trips) * 1e3, resident, private


def main(minerva, rounds):
    results = {name: [] for name in KERNELS}
    for _ in range(rounds):
        for name in KERNELS:
            with tempfile.TemporaryDirectory() as folder:
                results[name].append(measure(name, minerva, folder))
    middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
    ours = middle["minerva"]
    print(f"median of {rounds} rounds; in brackets: how many times ours")
    print(f"{'kernel':<20}{'start, ms':>18}{'round trip, ms':>20}{'resident, MB':>18}{'private, MB':>18}")
    for name, row in middle.items():
        cells = [f"{value:.{digits}f} ({value / own:.1f})" for value, own, digits in zip(row, ours, (1, 3, 1, 1))]
        print(f"{name:<20}{cells[0]:>18}{cells[1]:>20}{cells[2]:>18}{cells[3]:>18}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
