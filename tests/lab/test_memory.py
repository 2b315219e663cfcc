"""Peak memory of a block sees a known allocation, with blocks inside each other and without the kernel's mark."""

import torch

from course_lib.lab import memory


def test_peak_memory_sees_a_known_allocation():
    size = 96 * 2**20
    with memory.peak_memory() as outer:
        with memory.peak_memory() as inner:
            torch.ones(size, dtype=torch.uint8)
        with memory.peak_memory() as nothing:
            pass
    assert size * 0.95 < inner.bytes < size * 1.3
    assert size * 0.95 < outer.bytes < size * 1.3
    assert nothing.bytes < size * 0.1


def test_a_block_inside_does_not_hide_what_came_before_it():
    size = 96 * 2**20
    with memory.peak_memory() as outer:
        torch.ones(size, dtype=torch.uint8)
        with memory.peak_memory() as inner:
            pass
    assert inner.bytes < size * 0.1
    assert outer.bytes > size * 0.95


def test_peak_memory_by_sampling(monkeypatch):
    monkeypatch.setattr(memory, "_reset_high_water", lambda open_blocks: False)
    size = 96 * 2**20
    with memory.peak_memory() as peak:
        for _ in range(5):
            torch.ones(size, dtype=torch.uint8)
    assert size * 0.5 < peak.bytes < size * 1.5
