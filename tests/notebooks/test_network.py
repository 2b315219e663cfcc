"""The course works with the network cut: a real notebook goes through, in a namespace and under the socket guard."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks import samples
from tests.notebooks.conftest import Tool
from tools.network import GUARDED, NAMESPACE
from tools.storing import ROOT, chapter_files, on_storing_python

REACH = """import errno, socket, sys
from tools.network import cut
print(cut(namespaces=sys.argv[1] == "namespace"))
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as caller:
    caller.sendall(b"x")
    print("loopback", server.accept()[0].recv(1))
def datagrams():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
with datagrams() as mine, datagrams() as other:
    mine.bind(("localhost", 0))
    other.sendto(b"y", mine.getsockname())
    print("datagram", mine.recv(1))
    for call in (lambda: other.sendto(b"z", ("192.0.2.1", 9)), lambda: other.connect(("192.0.2.7", 9))):
        try:
            call()
            print("sent")
        except OSError as error:
            print("refused")
for address in (("192.0.2.1", 9), ("93.184.215.14", 443)):
    with socket.socket() as outward:
        outward.settimeout(1)
        print(errno.errorcode[outward.connect_ex(address)])
    try:
        socket.create_connection(address, timeout=1)
    except OSError as error:
        print(errno.errorcode[error.errno])
for look_up in (socket.getaddrinfo, lambda name, port: socket.gethostbyname(name)):
    try:
        look_up("pytorch.org", 443)
    except socket.gaierror:
        print("unknown")
"""
CUT = ["loopback b'x'", "datagram b'y'", "refused", "refused", *["ENETUNREACH"] * 4, "unknown", "unknown"]


def reach(how: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", REACH, how], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def namespaces_allowed() -> bool:
    return reach("namespace")[0] == NAMESPACE


def test_namespace_lets_loopback_through_and_nothing_else() -> None:
    how, *lines = reach("namespace")
    if how != NAMESPACE:
        tried = shutil.which("unshare") and subprocess.run(["unshare", "-rn", "true"], capture_output=True, timeout=20)
        assert not tried or tried.returncode != 0, "util-linux enters a network namespace here, and the runner did not"
        pytest.skip("network namespaces are not allowed here; the socket guard is tested instead")
    assert lines == CUT


def test_socket_guard_lets_loopback_through_and_nothing_else() -> None:
    assert reach("guard") == [GUARDED, *CUT]


def test_socket_guard_reaches_children_and_runs_the_sitecustomize_it_hides(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hidden one ran')")
    code = (
        f"import os, subprocess, sys; os.environ['PYTHONPATH'] = {str(tmp_path)!r}; sys.path.insert(0, {str(ROOT)!r})\n"
        "from tools.network import cut; cut(namespaces=False)\n"
        "child = 'import socket; socket.create_connection((\"192.0.2.1\", 9))'\n"
        "done = subprocess.run([sys.executable, '-c', child], capture_output=True, text=True)\n"
        "print(done.returncode, done.stdout, done.stderr.splitlines()[-1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("1 hidden one ran\n"), done.stderr
    assert "the network is cut, so nothing is sent to 192.0.2.1" in done.stdout


def test_a_chapter_runs_with_the_network_cut(tmp_path: Path, tool: Tool) -> None:
    """The fastest real chapter; where namespaces are allowed they cut, otherwise the guard does, and it says which."""
    start = chapter_files(["36"])[0] if any((ROOT / "notebooks").rglob("36_*.ipynb")) else None
    path = start or samples.save(samples.chapter(), tmp_path / samples.NAME)
    strict = [] if start and on_storing_python() else ["--lax"]
    done = tool("tests.runner.nbval", "--out", tmp_path / "out", *strict, path)
    assert done.returncode == 0, done.stdout
    said = (tmp_path / "out" / "network.txt").read_text()
    assert said == (NAMESPACE if namespaces_allowed() else GUARDED)
    assert f"Network: {said}." in done.stdout
    assert json.loads((tmp_path / "out" / "notebooks.json").read_text())[0]["run"] > 0


def test_a_notebook_runs_under_the_socket_guard(tmp_path: Path, sample: Path, tool: Tool) -> None:
    """The sample's stored outputs say that nothing outside was reached and no name was found."""
    done = tool("tests.runner.nbval", "--guard", "--out", tmp_path / "out", sample)
    assert done.returncode == 0, done.stdout
    assert GUARDED in done.stdout
