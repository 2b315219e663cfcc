"""`course run`: the same function under torchrun, on one node and on two."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from course_lib.lab import Gang
from course_lib.lab.gang import launch

RUN = "import sys; from course_lib.lab.gang.launch import main; sys.exit(main(sys.argv[1:]))"
SOURCE = """
import time

import torch
import torch.distributed as dist
from course_lib import lab


def train(rank, steps=1, name="none"):
    x = torch.ones(1) * (rank + 1) * steps
    with lab.span("all_reduce"):
        dist.all_reduce(x)
    time.sleep(0.5)  # so that the test sees where the job listens
    lab.report(1, 1)
    return f"{name} {x.item():g} {lab.device()}"


def bad(rank):
    raise ValueError("no data left")


def skips(rank):
    dist.all_reduce(torch.ones(1))
    if rank == 1:
        return
    dist.all_reduce(torch.ones(1))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "job_module.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(__file__)))))
    return tmp_path


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def listening_while(job):
    """Return the addresses at which a job and the processes it started listen until it ends."""
    addresses = set()
    while job.poll() is None:
        with contextlib.suppress(psutil.Error):
            for one in [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]:
                addresses |= {c.laddr.ip for c in one.net_connections("inet") if c.status == psutil.CONN_LISTEN}
        time.sleep(0.1)
    return addresses


def test_a_function_in_a_module_runs_under_torchrun_as_in_a_gang_and_listens_on_loopback_only(folder, monkeypatch):
    (folder / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "tmp"))
    job = start("job_module:train", "steps=3", "name=ring", "--nproc-per-node", "2")
    assert listening_while(job) == {"127.0.0.1"}
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert "2 ranks, gloo, 1 node(s)" in out
    assert "rank 0 returned 'ring 9 cpu'" in out
    assert list((folder / "tmp").iterdir()) == []
    monkeypatch.delenv("TMPDIR")
    monkeypatch.syspath_prepend(str(folder))
    from job_module import train

    assert Gang(2).run(train, steps=3, name="ring") == ["ring 9 cpu"] * 2


def test_a_saved_function_runs_on_two_nodes(folder, capsys):
    scale = 5

    def train(rank, offset, steps=1):
        import torch
        import torch.distributed as dist

        x = torch.ones(1) * scale * steps
        dist.all_reduce(x)
        return x.item() + offset

    Gang(2).save(train, "job.pkl", 0.5)
    assert "Saved" in capsys.readouterr().out
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["job.pkl", "steps=2", "--nnodes", "2", "--nproc-per-node", "1"]
    rendezvous = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}"]
    nodes = [start(*words, *rendezvous) for _ in range(2)]
    texts = [node.communicate(timeout=300) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], texts
    assert sum("2 ranks, gloo, 2 node(s)" in out and "rank 0 returned 20.5" in out for out, _ in texts) == 1


def test_an_exception_shows_the_reader_s_line_and_fails(folder):
    job = start("job_module:bad")
    out, err = job.communicate(timeout=300)
    assert job.returncode == 1
    assert 'raise ValueError("no data left")' in out + err


def test_a_skipped_collective_is_named_and_ends_the_job(folder, monkeypatch):
    monkeypatch.setenv("COURSE_RUN_TIMEOUT", "1.5")
    job = start("job_module:skips", "--nproc-per-node", "2")
    out, err = job.communicate(timeout=300)
    assert job.returncode == 1 and "returned" not in out
    assert err.count("course run: collective mismatch: rank 1 returned, while rank 0 still waits in all_reduce") == 2
    assert re.search(r"rank 0 waited in all_reduce; job_module\.py, line \d+, in skips: dist\.all_reduce", err)
    assert "rank 1 had returned after 1 call to torch.distributed" in err
    assert "the job is ended after" in err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "usage: course run"),
        (["nope.pkl"], "course run: there is no file nope.pkl; gang.save(train, 'nope.pkl') writes one."),
        (["nope"], "course run: 'nope' is neither MODULE:FUNCTION nor a file JOB.pkl."),
        (["job_module:nope"], "course run: module job_module has no function nope."),
        (["no_module:f"], "course run: there is no module no_module here: start in the folder that holds it."),
        (["no.module:f"], "course run: there is no module no.module here: start in the folder that holds it."),
    ],
)
def test_a_wrong_command_line_is_one_sentence(folder, capsys, words, sentence):
    assert launch.main(words) == 2
    told = capsys.readouterr()
    assert sentence in told.out + told.err


def test_values_are_literals_or_text_and_options_stay_torchrun_s():
    assert launch.parse_values(["steps=20", "lr=1e-3", "name=ring", "sizes=[1, 2]", "on=True", "empty="]) == {
        "steps": 20,
        "lr": 1e-3,
        "name": "ring",
        "sizes": [1, 2],
        "on": True,
        "empty": "",
    }
    words = ["steps=20", "--log-dir", "a=b", "--nnodes=2", "x=1"]
    assert [word for word in words if launch._is_value(word, words)] == ["steps=20", "x=1"]


def test_gloo_stays_on_loopback_only_where_the_job_does():
    for options, interface in (
        (["--standalone"], True),
        (launch._meet_in("folder"), True),
        (["--rdzv-endpoint", "localhost:29500"], True),
        (["--rdzv-endpoint", "node1:29500", "--nnodes", "2"], False),
    ):
        assert ("GLOO_SOCKET_IFNAME" in launch._environment(options)) is interface
    assert launch._environment([])["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"


def test_a_usage_line_names_the_parts():
    assert textwrap.shorten(launch.USAGE, 60).startswith("usage: course run MODULE:FUNCTION|JOB.pkl")
