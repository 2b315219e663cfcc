"""Allocations are counted to the byte: peaks that a hand can compute, what lived at them, and what is left out."""

import subprocess
import sys
from itertools import pairwise

import pytest
import torch

from course_lib import lab
from course_lib.lab.allocations import _events_of_trace

X, W = torch.ones(100, 50), torch.ones(50, 30, requires_grad=True)


def step():
    """A step of known tensors, all float32: x·w (12,000 bytes), relu (12,000), their sum (4), backward."""
    (X @ W).relu().sum().backward()
    W.grad = None


def step_with_a_name():
    """The same step, but a name keeps the product alive to the end."""
    product = X @ W
    product.relu().sum().backward()
    W.grad = None


def test_the_peak_of_a_step_is_the_one_computed_by_hand():
    product, relu, total, ones, relu_backward, weights = 12_000, 12_000, 4, 4, 12_000, 6_000
    found = lab.allocations(step)
    # The product goes when relu has been computed; relu, the sum and its gradient live when relu's gradient is made.
    assert found.living[:3] == [0, product, product + relu]
    assert found.peak == relu + total + ones + relu_backward
    assert [block.bytes for block in found.at_peak] == [relu, relu_backward, total, ones]
    assert [block.made_by for block in found.at_peak][:3] == [
        "aten::clamp_min",
        "aten::threshold_backward",
        "aten::sum",
    ]
    assert weights in [after - before for before, after in pairwise(found.living)]
    assert found.left == 0 and found.count == 6
    assert lab.allocations(step_with_a_name).peak == found.peak + product


def test_two_calls_agree_to_the_byte_whatever_was_there_before():
    kept = [torch.empty(1000)]

    def call():
        kept.clear()  # frees a block from before: not part of the call
        step()

    assert lab.allocations(call).living == lab.allocations(step).living == lab.allocations(step).living


def test_what_is_left_and_what_is_freed_inside():
    kept = []

    def call():
        torch.empty(250)
        kept.append(torch.empty(100))

    found = lab.allocations(call)
    assert found.living == [0, 1000, 0, 400] and found.peak == 1000 and found.left == 400
    assert [block.bytes for block in found.at_peak] == [1000]


def test_arguments_are_handed_over():
    assert lab.allocations(torch.zeros, 3, dtype=torch.float64).peak == 24


def test_what_lives_at_the_peak_is_named_and_adds_up():
    net = torch.nn.Sequential(*(torch.nn.Linear(256, 256, bias=False) for _ in range(4)))
    optimizer = torch.optim.AdamW(net.parameters(), foreach=False)
    x = torch.ones(512, 256)

    def train():
        net(x).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    first, second = lab.allocations(train), lab.allocations(train)
    weights = sum(p.nbytes for p in net.parameters())
    assert first.by_category()["optimizer state"] == 2 * weights + 4 * 4  # two moments, and a count of steps each
    assert first.by_category()["gradient"] == weights
    assert first.left == 2 * weights + 4 * 4 and second.left == 0
    # The peak moves from the optimiser, which makes its state in the first step, to the end of the forward pass.
    assert second.by_category()["activation"] == 4 * x.nbytes + 8  # what each layer hands on; the loss and its gradient
    assert all(sum(found.by_category().values()) == found.peak for found in (first, second))


def test_gradients_are_named():
    net = torch.nn.Linear(1000, 1000, bias=False)
    x = torch.ones(1, 1000)
    found = lab.allocations(lambda: net(x).sum().backward())
    assert found.by_category()["gradient"] == net.weight.nbytes == found.left


def test_words_and_picture():
    found = lab.allocations(step)
    assert repr(found).startswith("peak 24,008 bytes (") and repr(found).endswith("0 left, 6 blocks")
    assert "aten::clamp_min" in repr(found.table(rows=3)) and len(found.table(rows=3).cells) == 3
    picture = found.picture()
    assert "0.02 MB at the peak" in picture.caption
    with pytest.raises(ValueError, match="Nothing was allocated"):
        lab.allocations(lambda: None).picture()


def test_the_first_use_says_nothing_and_the_function_s_own_words_stay():
    script = (
        "import os, torch; from course_lib import lab; kept = [torch.empty(9)];"
        "lab.allocations(lambda: (kept.clear(), os.write(2, b'mine')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "mine")


def test_the_history_of_a_cuda_allocator_is_read():
    """The entries that torch.cuda.memory._snapshot documents, without a GPU."""
    library, mine = {"filename": "/x/site-packages/torch/y.py", "line": 1}, {"filename": "step.py", "line": 7}
    trace = [
        {"action": "segment_alloc", "addr": 0, "size": 2**21},
        {"action": "alloc", "addr": 512, "size": 1024, "frames": [library, mine]},
        {"action": "free_requested", "addr": 512, "size": 1024},  # still taken until the streams that use it are done
        {"action": "alloc", "addr": 2048, "size": 512, "frames": []},
        {"action": "free_completed", "addr": 512, "size": 1024},
        {"action": "free_completed", "addr": 9999, "size": 4096},
        {"action": "alloc", "addr": 512, "size": 512, "frames": []},
    ]
    found = lab.Allocations(_events_of_trace(trace))
    assert found.living == [0, 1024, 1536, 512, 1024] and found.peak == 1536
    assert [block.made_by for block in found.at_peak] == ["step.py, line 7", "unknown"]


@pytest.mark.parametrize(("kind", "called"), [("cuda", "_cuda_events"), ("cpu", "_cpu_events")])
def test_the_device_chooses_the_instrument(monkeypatch, kind, called):
    monkeypatch.setenv("COURSE_DEVICE", kind)
    seen, home = [], sys.modules["course_lib.lab.allocations"]
    for name in ("_cuda_events", "_cpu_events"):
        monkeypatch.setattr(home, name, lambda *_, name=name: seen.append(name) or [])
    lab.allocations(step)
    assert seen == [called]


def test_another_accelerator_gets_one_sentence(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "mps")
    with pytest.raises(NotImplementedError, match="no history of allocations on mps: set COURSE_DEVICE=cpu"):
        lab.allocations(step)
