"""Peak memory of a block: the allocator's own mark on an accelerator, the process' size in RAM on a CPU."""

from __future__ import annotations

import sys
import threading
from pathlib import Path


class peak_memory:
    """Context manager; `.bytes` is the peak memory of the block.

    On CUDA and other accelerators with an allocator of their own: the highest number of bytes that torch had allocated
    on the device, all tensors counted (`torch.accelerator.max_memory_allocated`). On a CPU: how far the process' memory
    in RAM rose above its size at the start. Linux keeps that high-water mark exactly; elsewhere it is sampled each
    millisecond.

    What it cannot see on a CPU: memory that the process had freed before and takes again does not raise the mark. Of a
    training step that peaks at some 20 MB it may show 1 to 3 MB, of an optimiser's step nothing. Use it for effects
    of 100 MB; `lab.allocations` counts every tensor to the byte.
    """

    _open: list[peak_memory] = []  # noqa: RUF012 - shared on purpose: a nested block must not hide the outer one's peak

    def __init__(self) -> None:
        self.bytes = 0

    def __enter__(self) -> peak_memory:
        """Start counting."""
        import torch

        from course_lib.lab.device import device

        self._on_device = device().type not in ("cpu", "mps")
        if self._on_device:
            torch.accelerator.reset_peak_memory_stats()
            return self
        self._start = self._high = _rss()
        self._exact = _reset_high_water(peak_memory._open)
        peak_memory._open.append(self)
        if not self._exact:
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._sample, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop counting and set `.bytes`."""
        import torch

        if self._on_device:
            self.bytes = int(torch.accelerator.max_memory_allocated())
            return
        if self._exact:
            high = _high_water()
            for block in peak_memory._open:
                block._high = max(block._high, high)
        else:
            self._stop.set()
            self._thread.join()
        peak_memory._open.remove(self)
        self.bytes = max(0, max(self._high, _rss()) - self._start)

    def _sample(self) -> None:
        while not self._stop.wait(0.001):
            self._high = max(self._high, _rss())


def _rss() -> int:
    import psutil

    return psutil.Process().memory_info().rss


def _high_water() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_high_water(open_blocks: list[peak_memory]) -> bool:
    """Set the kernel's high-water mark of this process back to now, after noting it for the blocks already open."""
    if sys.platform != "linux":
        return False
    try:
        high = _high_water()
        for block in open_blocks:
            block._high = max(block._high, high)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True
