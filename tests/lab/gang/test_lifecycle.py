"""A gang's whole life: two notebooks at once, nbclient and nbval, a script, a shutdown, a lost fork server."""

import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import psutil
import pytest
import torch.distributed as dist
from nbclient import NotebookClient

from course_lib.lab import Gang, GangError
from tests.lab.gang.kernel import Kernel, wait_until

CELLS = [
    """\
import time
import torch
import torch.distributed as dist
from course_lib import lab

gang = lab.Gang(2, timeout=20)""",
    """\
scale = 2

def work(rank):
    for step in range(3):
        print(f"step {step}")
        lab.report(step, 3)
    x = torch.ones(2) * scale * (rank + 1)
    dist.all_reduce(x)
    return x

gang.run(work)""",
    """\
def bad(rank):
    if rank == 1:
        time.sleep(0.5)  # rank 0 waits by then
        raise ValueError("no data left")
    dist.barrier()

try:
    gang.run(bad)
except lab.GangError as error:
    print(error)""",
]


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    """Write a notebook that was executed by nbclient with outputs in order, and return its path."""
    monkeypatch.setenv("COURSE_ORDERED", "1")
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(book, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    path = tmp_path / "gang.ipynb"
    nbformat.write(book, path)
    return path


def test_a_notebook_s_outputs_are_the_same_again_under_nbval(notebook):
    cells = nbformat.read(notebook, 4).cells
    lines = [f"[rank {rank}] step {step}\n" for rank in (0, 1) for step in range(3)]
    assert cells[1].outputs[0].text == "".join(lines)
    assert [output.output_type for output in cells[1].outputs] == ["stream", "execute_result"]  # no progress bar
    assert "rank 1 raised ValueError: no data left\n    Cell, line 4, in bad\n" in cells[2].outputs[0].text
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", str(notebook)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=notebook.parent,
    )
    assert "3 passed" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Return a second kernel, in which nothing has run yet."""
    kernel = Kernel(tmp_path_factory.mktemp("other"))
    yield kernel
    kernel.close()


def test_an_interrupt_while_the_fork_server_starts_ends_in_the_error_and_the_next_run_works(other):
    timer = (
        "import os, signal, threading\nthreading.Timer(0.2, lambda: os.killpg(os.getpgrp(), signal.SIGINT)).start()\n"
    )
    cell = other.run(CELLS[0] + "\n" + timer + "gang.run(lambda rank: __import__('time').sleep(60))")
    assert cell.shown.startswith("GangError: the cell was interrupted")
    assert other.processes() == []
    server = fork_servers(other)
    assert other.run("gang.run(lambda rank: rank)").text == "[0, 1]\n"
    assert len(server) == 1 and fork_servers(other) == server  # the signal has not reached it


def fork_servers(kernel):
    return {process.pid for process in kernel.all_processes() if "forkserver" in " ".join(process.cmdline())}


def test_two_notebooks_run_side_by_side_and_leave_nothing_when_shut_down(kernel, other):
    body = "def work(rank):\n    for _ in range(50):\n        dist.all_reduce(torch.ones(1000))\n    return rank\n"
    texts = {}

    def drive(kernel):
        kernel.run(CELLS[0])
        texts[kernel.tag] = [kernel.run(body + "print(gang.run(work))").text for _ in range(3)]

    threads = [threading.Thread(target=drive, args=(each,)) for each in (kernel, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(texts.values()) == [["[0, 1]\n"] * 3] * 2
    other.manager.shutdown_kernel()
    assert wait_until(lambda: not other.all_processes(), 10) is not None


def test_a_notebook_shows_one_progress_bar(kernel):
    kernel.run(CELLS[0])
    cell = kernel.run(
        "def work(rank):\n    for step in range(5):\n        lab.report(step + 1, 5, loss=0.5)\n\ngang.run(work);"
    )
    assert cell.text.count("step ") == 1  # one display, updated in place
    assert cell.error == ""


def test_a_script_is_not_run_again_in_its_ranks_and_ends_quietly_after_an_error_that_it_keeps(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import torch, torch.distributed as dist\nfrom course_lib.lab import Gang\nprint('top of the script')\n\n"
        "class Pair:\n    def __init__(self, n):\n        self.n = n\n\n"
        "def work(rank):\n    got = [None, None]\n    dist.all_gather_object(got, Pair(rank))\n"
        "    return [pair.n for pair in got], Pair(rank)\n\n"
        "out = Gang(2).run(work)\nprint([n for n, _ in out], all(type(pair) is Pair for _, pair in out))\n"
        "try:\n    Gang(2).run(lambda rank: 1 / 0)\nexcept Exception as error:\n    kept = error  # as IPython does\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    gang = "Gang of 2 ranks: gloo on CPU, 1 thread each."
    assert done.stdout.splitlines()[1:] == [gang, "[[0, 1], [0, 1]] True", gang]
    assert done.stdout.splitlines()[0] == "top of the script" and done.stderr == ""


def test_a_killed_fork_server_is_replaced(gangs):
    def work(rank):
        return os.getppid()

    (server,) = set(gangs[2].run(work))
    psutil.Process(server).kill()
    (other,) = set(gangs[2].run(work))
    assert other != server


def test_a_fork_server_killed_during_a_run_ends_in_an_error(gangs, tmp_path):
    def work(rank):
        (tmp_path / str(os.getpid())).touch()
        dist.barrier()
        if rank == 0:
            os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(30)

    with pytest.raises(GangError):
        gangs[2].run(work)
    ranks = [int(path.name) for path in tmp_path.iterdir()]
    assert len(ranks) == 2
    assert wait_until(lambda: not any(alive(pid) for pid in ranks), 10) is not None
    assert gangs[2].run(lambda rank: rank) == [0, 1]


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_module_that_the_server_cannot_load_is_said_once(monkeypatch, capsys):
    from course_lib.lab.gang import forkserver

    monkeypatch.setattr(forkserver, "PRELOAD", (*forkserver.PRELOAD, "no_such_module"))
    gang = Gang(1)
    for _ in range(2):
        gang.run(lambda rank: rank)
    assert capsys.readouterr().out.count("could not load no_such_module") == 1
