"""Start, memory and size of two servers of JupyterLab, asked by one client, in turns.

ready: from the launch of the process to the first answer 200 of `/api/status`, asked again every 2 ms.
page: from the launch to the whole page `/lab` and the first script it names, as a browser wants them first.
kernel: from the request for a kernel (its own: minerva, python3) to its `kernel_info_reply` over a WebSocket.
memory: resident and private memory of the server alone: when it is ready, after all files of the page were asked for, and
with one kernel, the kernel itself left out.
disk: the program, or the environment with everything in it that the package manager brought.
"""

import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import websocket

TOKEN = "0123456789abcdef"
TIMEOUT = 60
SERVERS = {
    "minerva lab": lambda minerva, port, root: [
        minerva, "lab", "--no-browser", "--port", str(port), "--token", TOKEN, root],
    "jupyter lab": lambda _, port, root: [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.allow_root=True", f"--ServerApp.root_dir={root}"],
}
TITLES = ["ready, ms", "page, ms", "kernel, ms", "resident, MB", "private, MB", "after page, MB", "with kernel, MB", "disk, MB"]
KERNELS = {"minerva lab": "minerva", "jupyter lab": "python3"}
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(port, path, method="GET", body=None, encodings="identity"):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data=None if body is None else json.dumps(body).encode(), method=method,
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json", "Accept-Encoding": encodings},
    )
    with OPENER.open(request, timeout=TIMEOUT) as answer:
        return answer.read()


def when(ready, pause=0.002):
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            if answer := ready():
                return answer
        except (urllib.error.URLError, ConnectionError):
            pass
        assert time.monotonic() < deadline, "no answer"
        time.sleep(pause)


def greet(port, kernel):
    """Asks a kernel who it is and waits for the answer, as a front end does."""
    address = f"ws://127.0.0.1:{port}/api/kernels/{kernel}/channels?session_id=bench"
    channels = websocket.create_connection(
        address, timeout=TIMEOUT, header=[f"Authorization: token {TOKEN}"], suppress_origin=True)
    header = {"msg_id": "1", "msg_type": "kernel_info_request", "session": "bench", "username": "", "version": "5.3", "date": ""}
    channels.send(json.dumps(
        {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": {}, "buffers": []}))
    # The server asks on its own account, too.
    while True:
        message = json.loads(channels.recv())
        if message["msg_type"] == "kernel_info_reply" and message["parent_header"]["msg_id"] == "1":
            return channels.close()


def memory(pid):
    """Resident and private memory of one process, in MB."""
    sizes = {"Rss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for line in open(f"/proc/{pid}/smaps_rollup"):
        name, _, rest = line.partition(":")
        if name in sizes:
            sizes[name] += int(rest.split()[0])
    return sizes["Rss"] / 1024, (sizes["Private_Clean"] + sizes["Private_Dirty"]) / 1024


def disk(name, minerva):
    """MB of the program, or of all files of the environment, links counted once."""
    if name == "minerva lab":
        return os.path.getsize(minerva) / 1e6
    files = {}
    for path in pathlib.Path(sys.prefix).rglob("*"):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            files[path.stat().st_ino] = path.stat().st_size
    return sum(files.values()) / 1e6


def measure(name, minerva, folder):
    with socket.socket() as knocking:
        knocking.bind(("127.0.0.1", 0))
        port = knocking.getsockname()[1]
    root = os.path.join(folder, "root")
    os.mkdir(root)
    home = {"HOME": folder, "XDG_DATA_HOME": folder, "JUPYTER_CONFIG_DIR": os.path.join(folder, "config"),
            "JUPYTER_DATA_DIR": os.path.join(folder, "data"), "JUPYTER_RUNTIME_DIR": os.path.join(folder, "runtime")}
    started = time.perf_counter()
    process = subprocess.Popen(
        SERVERS[name](minerva, port, root), env={**os.environ, **home},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    try:
        when(lambda: ask(port, "/api/status"))
        ready = time.perf_counter() - started
        page = ask(port, "/lab").decode()
        scripts = re.findall(r'<script[^>]* src="([^"]+)"', page)
        assert scripts, page[:500]
        ask(port, scripts[0], encodings="br, gzip")
        shown = time.perf_counter() - started
        resident, private = memory(process.pid)
        # What a browser asks for at the start, but for the pieces that scripts load one after another.
        for path in scripts[1:] + ["/lab/api/settings", "/lab/api/themes/@jupyterlab/theme-light-extension/index.css",
                                   "/api/kernelspecs", "/api/contents", "/lab/api/translations/default"]:
            ask(port, path, encodings="br, gzip")
        after, _ = memory(process.pid)
        asked = time.perf_counter()
        kernel = json.loads(ask(port, "/api/kernels", "POST", {"name": KERNELS[name]}))["id"]
        greet(port, kernel)
        kernel_start = time.perf_counter() - asked
        with_kernel, _ = memory(process.pid)
        ask(port, f"/api/kernels/{kernel}", "DELETE")
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return ready * 1e3, shown * 1e3, kernel_start * 1e3, resident, private, after, with_kernel


def main(minerva, rounds):
    results = {name: [] for name in SERVERS}
    for number in range(rounds):
        # Who goes first alternates.
        for name in list(SERVERS)[::-1 if number % 2 else 1]:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                results[name].append(measure(name, minerva, folder))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    rows = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
    for name, row in rows.items():
        row.append(disk(name, minerva))
    ours, theirs = rows["minerva lab"], rows["jupyter lab"]
    print(f"median of {rounds} rounds")
    print(f"{'':<18}{'minerva lab':>14}{'jupyter lab':>14}{'times':>9}")
    for title, mine, other in zip(TITLES, ours, theirs):
        print(f"{title:<18}{mine:>14.1f}{other:>14.1f}{other / mine:>9.1f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
