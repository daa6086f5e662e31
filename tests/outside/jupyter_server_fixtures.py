"""The fixtures of Jupyter Server's tests, with a `minerva lab` behind them.

Imported at the end of its conftest.py by jupyter_server.sh, so that they win. `jp_serverapp` is a stand-in with what tests
ask of the application object and a server outside of Python can answer; everything else is missing, and a test that wants
it fails. jupyter_server_skips.txt lists those.
"""

import fnmatch
import json
import os
import pathlib
import sys
import urllib.parse

import pytest
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.web import HTTPError

from lab import Lab

# Tests of these files run Python in the kernel that nobody named: there it is python3, here it is minerva.
UNNAMED_IS_PYTHON = ("test_cull.py", "test_execution_state.py")


class Client(SimpleAsyncHTTPClient):
    """Paths are those of our server."""

    def initialize(self, *, lab=None, kernel=None):
        super().initialize()
        self.lab, self.kernel = lab, kernel

    def fetch(self, path, **options):
        if not isinstance(path, str):
            # A redirect that is followed.
            return super().fetch(path, **options)
        self.lab.start()
        if self.kernel and options.get("method") == "POST" and urllib.parse.urlsplit(path).path == "/api/kernels":
            options["body"] = options.get("body") or json.dumps({"name": self.kernel})
        return super().fetch(self.lab.url + path, **options)


class KernelManager:
    default_kernel_name = "minerva"

    def __init__(self, lab):
        self._lab = lab

    def get_kernel(self, kernel_id):
        status, _, _ = self._lab.ask("GET", f"/api/kernels/{kernel_id}")
        if status != 200:
            raise HTTPError(status)
        return object()


class ContentsManager:
    """Whether hidden files are shown is said when our server starts, so it starts again."""

    def __init__(self, lab):
        self._lab = lab

    @property
    def allow_hidden(self):
        return "--hidden" in self._lab.arguments

    @allow_hidden.setter
    def allow_hidden(self, allow):
        self._lab.stop()
        self._lab.arguments = [a for a in self._lab.arguments if a != "--hidden"] + ["--hidden"] * allow


class IdentityProvider:
    allow_password_change = False

    def __init__(self, lab):
        self.token = lab.token


class ServerApp:
    base_url = "/"

    def __init__(self, lab):
        self.root_dir = lab.root
        self.kernel_manager = KernelManager(lab)
        self.contents_manager = ContentsManager(lab)
        self.identity_provider = IdentityProvider(lab)


def culls(config):
    """Whether a configuration stops idle kernels; how it is nested differs from test to test."""
    return isinstance(config, dict) and ("cull_idle_timeout" in config or any(map(culls, config.values())))


@pytest.fixture
def minerva_lab(jp_environ, jp_root_dir, jp_server_config, tmp_path, request, monkeypatch):
    arguments = []
    if culls(jp_server_config):
        # Our server counts in minutes: one is the least, looked at twice, and the tests wait as long. The front end of
        # test_cull_connected reads nothing, not even pings: after 90 s it counts as gone, which is why its kernel stops.
        arguments += ["--cull", "1"]
        monkeypatch.setattr(request.module, "CULL_TIMEOUT", 60)
        monkeypatch.setattr(request.module, "CULL_INTERVAL", 30)
    python = pathlib.Path(sys.prefix, "share", "jupyter")
    environment = {"XDG_DATA_HOME": str(tmp_path / "xdg"), "JUPYTER_PATH": str(python)}
    lab = Lab(jp_root_dir, *arguments, environment=environment)
    yield lab
    print(lab.text())
    lab.stop()
    lab.log.close()


@pytest.fixture
def jp_serverapp(minerva_lab):
    return ServerApp(minerva_lab)


@pytest.fixture
def jp_base_url():
    return "/"


@pytest.fixture
def jp_http_port(minerva_lab):
    return minerva_lab.port


@pytest.fixture
def jp_auth_header(minerva_lab):
    return {"Authorization": f"token {minerva_lab.token}"}


@pytest.fixture
def http_server_client(minerva_lab, jp_asyncio_loop, request):
    kernel = "python3" if request.path.name in UNNAMED_IS_PYTHON else None

    async def made():
        return Client(force_instance=True, lab=minerva_lab, kernel=kernel)

    client = jp_asyncio_loop.run_until_complete(made())
    yield client
    client.close()


@pytest.fixture(autouse=True)
def jp_server_cleanup():
    """There is no server inside this process."""


@pytest.fixture(autouse=True)
def jp_mockextension_cleanup():
    """Nor are there extensions."""


def skips():
    for line in pathlib.Path(os.environ["SKIPS"]).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            glob, _, reason = line.partition("  ")
            # Parameters stand in brackets, which are no glob here.
            yield glob.replace("[", "[[]"), reason.strip()


def twin(item):
    """Whether this is a test again, with another of Python's classes inside the server."""
    call = getattr(item, "callspec", None)
    return call is not None and any(call.indices.get(name, 0) > 0 for name in ("jp_argv", "jp_server_config"))


def pytest_collection_modifyitems(config, items):
    twins = [item for item in items if twin(item)]
    config.hook.pytest_deselected(items=twins)
    items[:] = [item for item in items if not twin(item)]
    listed, used = list(skips()), set()
    for item in items:
        for glob, reason in listed:
            if fnmatch.fnmatchcase(item.nodeid, glob):
                used.add(glob)
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    idle = [glob for glob, _ in listed if glob not in used]
    if idle and not (config.option.keyword or config.option.markexpr):
        raise pytest.UsageError(f"jupyter_server_skips.txt names what is not there: {', '.join(idle)}")
