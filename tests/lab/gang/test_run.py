"""Functions on real ranks: results, groups, output, spans, time limits that leave progress alone, no leaks."""

import multiprocessing
import os
import random
import sys
import time

import psutil
import pytest
import torch
import torch.distributed as dist

from course_lib import lab
from course_lib.lab import Gang, GangError, GangResult
from tests.lab.gang.kernel import wait_until


def test_results_come_by_rank_from_processes_of_their_own(gangs, clean):
    scale = torch.tensor([2.0, 3.0])

    def work(rank, offset, *, power=1):
        x = (scale * (rank + 1)) ** power
        dist.all_reduce(x)
        return {"x": x + offset, "pid": os.getpid(), "size": dist.get_world_size(), "backend": dist.get_backend()}

    out = gangs[4].run(work, 1.0, power=2)
    assert isinstance(out, GangResult) and isinstance(out, list)
    for result in out:
        assert torch.equal(result["x"], torch.tensor([121.0, 271.0]))
        assert (result["size"], result["backend"]) == (4, "gloo")
    assert len({result["pid"] for result in out} | {os.getpid()}) == 5
    assert out.seconds > 0 and out.start_seconds > 0
    assert all(1 << 20 < size < 100 << 20 for size in out.peak_memory.values())


def test_one_rank_has_a_group_too(gangs):
    assert gangs[1].run(lambda rank: (rank, dist.get_world_size(), dist.is_initialized())) == [(0, 1, True)]


def test_each_run_has_fresh_processes_with_nothing_of_the_last(gangs):
    def work(rank):
        seen = getattr(torch, "mark", None)
        torch.mark = rank
        return seen, random.random(), float(__import__("numpy").random.rand())

    runs = [*gangs[2].run(work), *gangs[2].run(work)]
    assert [seen for seen, *_ in runs] == [None] * 4
    assert len({number for _, number, _ in runs}) == len({number for *_, number in runs}) == 4


def test_the_same_function_changed_in_between_is_the_changed_one(gangs):
    for value in (1, 2):
        assert gangs[2].run(lambda rank, value=value: value) == [value, value]


def test_the_kernel_s_environment_path_and_folder_travel(gangs, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_TEST_WORD", "hello")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])  # a notebook's path: the folder that it is in now
    (tmp_path / "written_just_now.py").write_text("VALUE = 7\n")

    def work(rank):
        import written_just_now

        return os.environ["COURSE_TEST_WORD"], os.getcwd(), written_just_now.VALUE, os.environ["RANK"]

    assert gangs[2].run(work) == [("hello", str(tmp_path), 7, rank) for rank in "01"]


def test_threads_and_nothing_but_loopback(gangs):
    def work(rank):
        dist.barrier()
        import psutil

        ours = psutil.Process().net_connections("inet")
        return torch.get_num_threads(), {c.laddr.ip for c in ours}, [c for c in ours if c.status == "LISTEN"]

    for threads, addresses, listening in gangs[2].run(work):
        assert threads == 1
        assert addresses <= {"127.0.0.1", "::1"}
        assert all(c.laddr.ip in ("127.0.0.1", "::1") for c in listening)


def test_big_results_and_shared_storage_come_back(gangs, clean):
    def work(rank):
        big = torch.arange(4_000_000, dtype=torch.float32) + rank
        return big, big[10:20]

    for rank, (big, view) in enumerate(gangs[2].run(work)):
        assert big[-1].item() == 3_999_999 + rank
        view.zero_()
        assert big[10:20].sum() == 0  # still one storage


def test_closures_keep_tied_weights_and_let_storages_be_resized(gangs):
    model = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight

    def work(rank):
        tied = model[0].weight.data_ptr() == model[1].weight.data_ptr()
        storage = model[0].weight.data.untyped_storage()
        storage.resize_(0)
        return tied, len(list(model.parameters())), storage.nbytes()

    assert gangs[2].run(work) == [(True, 1, 0)] * 2


def test_a_function_may_mention_its_gang(gangs):
    gang = gangs[2]
    assert gang.run(lambda rank: gang.world_size) == [2, 2]


def test_a_rank_cannot_start_a_gang(gangs):
    with pytest.raises(GangError, match="A rank cannot start a gang"):
        gangs[2].run(lambda rank: Gang(2))


def test_data_loader_workers_work_and_end_with_the_run(gangs, clean):
    def work(rank):
        loader = torch.utils.data.DataLoader(range(4), num_workers=1, persistent_workers=True)
        iterator = iter(loader)
        first = next(iterator).item()
        workers = [child.pid for child in multiprocessing.active_children()]
        loader.keep, torch.keep = iterator, loader  # the workers outlive the function
        return first, workers, multiprocessing.get_start_method()

    for first, workers, method in gangs[2].run(work):
        assert first == 0 and len(workers) == 1
        assert method == multiprocessing.get_start_method()
        assert wait_until(lambda pid=workers[0]: not psutil.pid_exists(pid), 5) is not None


def test_spans_of_all_ranks_share_one_clock(gangs):
    def work(rank):
        if rank == 1:
            time.sleep(0.1)
        with lab.span("before"):
            pass
        with lab.span("barrier", step=1):
            dist.barrier()
        with lab.span("after"):
            pass

    timeline = gangs[2].run(work).timeline
    assert len(timeline) == 6
    last_to_come = max(span.start_s for span in timeline.select("barrier").spans)
    assert all(span.end_s >= last_to_come for span in timeline.select("barrier").spans)
    assert all(span.start_s >= last_to_come for span in timeline.select("after").spans)
    assert all(0 <= span.start_s <= span.end_s < 8 for span in timeline.spans)


def test_output_carries_the_rank_and_both_streams(gangs, capfd):
    def work(rank):
        print("to stdout", rank)
        print("to stderr", rank, file=sys.stderr)
        os.write(1, b"from C\n")
        print("no newline", end="")

    capfd.readouterr()
    out = gangs[2].run(work)
    shown = capfd.readouterr().out
    for rank in (0, 1):
        text = f"to stdout {rank}\nto stderr {rank}\nfrom C\nno newline\n"
        assert out.output[rank] == text
        assert all(f"[rank {rank}] {line}\n" in shown for line in text.splitlines())


def test_output_streams_while_the_run_goes_on(gangs, monkeypatch):
    arrived = []

    class Screen:
        def write(self, text):
            arrived.append((time.perf_counter(), text))

        def flush(self):
            pass

    def work(rank):
        print("early")
        time.sleep(0.5)

    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.delenv("COURSE_ORDERED", raising=False)
    gangs[1].run(work)
    ended = time.perf_counter()
    monkeypatch.undo()
    assert [text for _, text in arrived] == ["[rank 0] early\n"]
    assert ended - arrived[0][0] > 0.4


def test_forty_thousand_lines_arrive(gangs):
    def work(rank):
        for line in range(20_000):
            print(line)

    out = gangs[2].run(work)
    assert out.output[1].splitlines() == [str(line) for line in range(20_000)]
