"""Serving: a free port, one sentence where there is none, loopback only, and a server that ends with its kernels."""

import io
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest

from course_lib.lab.figures import LEAST_WIDTH
from course_lib.practice.desk import serve
from course_lib.practice.desk.place import SERVED, CourseError
from course_lib.practice.desk.saving import REMEDY, WIDGET_VIEW

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def busy():
    """A port that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_requested_port_that_is_busy_is_one_sentence(busy):
    with pytest.raises(CourseError, match=rf"^Port {busy} is in use: leave --port out to take a free one"):
        serve.choose_port(busy)


def test_the_next_free_port_is_taken_and_said(busy, monkeypatch):
    monkeypatch.setattr(serve, "FIRST_PORT", busy)
    out = io.StringIO()
    port = serve.choose_port(None, out)
    assert busy < port < busy + serve.PORTS_TRIED
    assert out.getvalue() == f"Port {busy} is in use: taking {port}.\n"


def test_no_free_port_at_all_is_one_sentence(busy, monkeypatch):
    monkeypatch.setattr(serve, "FIRST_PORT", busy)
    monkeypatch.setattr(serve, "PORTS_TRIED", 1)
    with pytest.raises(CourseError, match="are all in use"):
        serve.choose_port(None)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_does_not_exist_is_one_sentence(port):
    with pytest.raises(CourseError, match=f"There is no port {port}"):
        serve.choose_port(port)


def test_a_port_of_the_systems_is_one_sentence(monkeypatch):
    def forbid(self, address):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", forbid)
    with pytest.raises(CourseError, match="choose one above 1023"):
        serve.choose_port(80)


def test_the_server_is_asked_to_listen_on_loopback_only_and_to_phone_nobody(tmp_path):
    args = serve.arguments(tmp_path, 8888, "secret", browser=False)
    assert "--ServerApp.ip=127.0.0.1" in args and "--IdentityProvider.token=secret" in args
    assert "--LabApp.news_url=None" in args and "--LabApp.extension_manager=readonly" in args
    settings = json.loads((serve.LAB_SETTINGS / "overrides.json").read_text())
    assert settings["@jupyterlab/notebook-extension:tracker"]["windowingMode"] == "none"
    assert settings["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


@pytest.mark.parametrize(("uid", "allowed"), [(0, True), (1000, False)])
def test_root_is_allowed_only_for_root(tmp_path, monkeypatch, uid, allowed):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert ("--allow-root" in serve.arguments(tmp_path, 8888, "t", browser=False)) is allowed


def test_without_jupyterlab_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="JupyterLab is not installed here: run make lab"):
        serve.serve(tmp_path, None, browser=False)


def read_until(stream, pattern, limit):
    """Return what a process printed up to `pattern`, waiting at most `limit` seconds."""
    text, end = "", time.monotonic() + limit
    while time.monotonic() < end:
        if select.select([stream], [], [], 0.2)[0]:
            piece = os.read(stream.fileno(), 65536).decode()
            text += piece
            if re.search(pattern, text) or not piece:
                break
    return text


def saved_by(base, token, work):
    """What the file holds of an output with a widget after the page saved it through the server."""
    view = {"model_id": "0", "version_major": 2, "version_minor": 0}
    data = {"text/plain": "a panel", "text/html": "a panel", WIDGET_VIEW: view}
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("panel", id="a")])
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data)]
    body = json.dumps({"type": "notebook", "format": "json", "content": notebook}).encode()
    headers = {"Authorization": f"token {token}"}
    urllib.request.urlopen(urllib.request.Request(f"{base}/api/contents/mine.ipynb", body, headers, method="PUT"))
    kept = dict(nbformat.read(work / "mine.ipynb", as_version=4).cells[0].outputs[0].data)
    return kept | {"text/html": [part for part in ("a panel", REMEDY) if part in kept["text/html"]]}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGHUP], ids=["ctrl-c", "closed terminal"])
def test_the_course_serves_and_ends_with_its_kernels(tmp_path, stop):
    home = tmp_path / "home"
    home.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")}
    env |= {"HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": os.defpath}
    work = tmp_path / "work"
    command = [sys.executable, "-m", "course_lib", "lab", "--no-browser", "--work", str(work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as server:
        family = []
        try:
            said = read_until(server.stdout, "Ctrl-C stops it", 60)
            address = re.search(r"(http://127\.0\.0\.1:\d+)(/\S*)\?token=(\w+)", said)
            assert address, said
            base, page, token = address.groups()
            opened = urllib.request.urlopen(f"{base}{page}?token={token}")
            assert opened.status == 200 and "/custom/custom.css" in opened.read().decode()
            # figures keep the width at which their letters are legible
            style = urllib.request.urlopen(f"{base}/custom/custom.css?token={token}").read().decode()
            assert f"max-width: max(100%, {LEAST_WIDTH}px)" in style
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{base}/api/sessions")
            body = json.dumps({"name": "python3"}).encode()
            urllib.request.urlopen(
                urllib.request.Request(f"{base}/api/kernels", body, {"Authorization": f"token {token}"})
            )
            assert saved_by(base, token, work) == {"text/plain": "a panel", "text/html": ["a panel", REMEDY]}
            family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            family = [process for process in family if process.status() != psutil.STATUS_ZOMBIE]
            (kernel,) = [process for process in family if "ipykernel_launcher" in process.cmdline()]
            assert kernel.cmdline()[0] == sys.executable
            # a shell cell finds this environment's commands, although nobody activated it
            assert kernel.environ()[SERVED] == str(work)
            assert kernel.environ()["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
            listening = [c.laddr.ip for p in family for c in p.net_connections("inet") if c.status == "LISTEN"]
            assert set(listening) == {"127.0.0.1"}
            server.send_signal(stop)
            assert server.wait(30) == 0
            _, left = psutil.wait_procs(family, timeout=10)
            assert left == []
        finally:
            server.kill()
            for process in family:
                if process.is_running():
                    process.kill()
    assert not (home / ".jupyter").exists(), "the reader's own settings are not touched"
