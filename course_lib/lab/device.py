"""Which device computes, and the three things that depend on it: precision, synchronisation, seeds.

Every choice goes through `torch.accelerator`, so that the same notebook runs on CUDA, MPS, XPU and on a CPU alone.
The stored outputs were made on a CPU; the accelerator paths are written for torch 2.13 and have not been run.
"""

from __future__ import annotations

import os
import platform
import random
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEVICE_VARIABLE = "COURSE_DEVICE"


def device() -> torch.device:
    """The device that this process computes on: torch's accelerator if there is one, else the CPU.

    Inside a gang it is this rank's own: the accelerator of a NCCL rank, the CPU of a gloo rank. The environment
    variable COURSE_DEVICE (for instance "cpu") overrides the choice.
    """
    import torch
    import torch.distributed as dist

    chosen = os.environ.get(DEVICE_VARIABLE)
    if chosen:
        try:
            return torch.device(chosen)
        except RuntimeError as error:
            raise ValueError(
                f"{DEVICE_VARIABLE}={chosen!r} is no device that torch knows: use cpu, cuda:1 or mps, or unset it."
            ) from error
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind = torch.accelerator.current_accelerator()
    if kind is None:
        return torch.device("cpu")
    if dist.is_available() and dist.is_initialized():
        # A gloo group's ranks compute on the CPU: with fewer accelerators than ranks they cannot have one each.
        if dist.get_world_size() > 1 and "nccl" not in dist.get_backend() and "xccl" not in dist.get_backend():
            return torch.device("cpu")
        return torch.device(kind.type, torch.accelerator.current_device_index())
    return kind


def autocast(device: torch.device | None = None) -> AbstractContextManager:
    """bf16 autocast on an accelerator; on a CPU nothing, because bf16 is no faster there at the course's sizes."""
    import torch

    where = device if device is not None else globals()["device"]()
    if where.type == "cpu":
        return nullcontext()
    return torch.autocast(where.type, dtype=torch.bfloat16)


def synchronize(device: torch.device | None = None) -> None:
    """Wait until the accelerator has finished what was queued; a CPU has no queue, so nothing happens there."""
    import torch

    where = device if device is not None else globals()["device"]()
    if where.type != "cpu":
        torch.accelerator.synchronize(where)


def seed_all(seed: int) -> torch.Generator:
    """Seed python, numpy and torch (all devices) and return a CPU generator with the same seed.

    Pass the generator to what draws data: a generator of its own does not shift when a layer draws a number more.
    """
    import numpy
    import torch

    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise ValueError(f"A seed is a whole number from 0 to 4,294,967,295, and this is {seed!r}.")
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Machine:
    """What this process may use. cores: CPUs allowed to it; memory_gib: GiB; threads: torch's in one operation."""

    system: str
    python: str
    torch: str
    cores: int
    memory_gib: float
    device: str
    num_devices: int
    threads: int

    def __str__(self) -> str:
        devices = f"{self.num_devices} x {self.device}" if self.num_devices else "CPU only"
        return (
            f"Python {self.python}, torch {self.torch}, {self.system}\n"
            f"{self.cores} cores, {self.memory_gib:.1f} GiB of memory, torch uses {self.threads} "
            f"thread{'' if self.threads == 1 else 's'}\n"
            f"devices: {devices}"
        )


def machine() -> Machine:
    """Describe this machine; printed by the set-up cell of each notebook."""
    import torch

    kind = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    name = "cpu"
    if kind is not None:
        name = torch.cuda.get_device_name() if kind.type == "cuda" else kind.type
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=torch.__version__,
        cores=available_cores(),
        memory_gib=available_memory() / 2**30,
        device=name,
        num_devices=torch.accelerator.device_count() if kind is not None else 0,
        threads=torch.get_num_threads(),
    )


def available_cores() -> int:
    """CPUs that this process may use: the affinity mask, less a container's quota (cgroup v2) where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup("cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def available_memory() -> int:
    """Bytes of memory: the machine's, or a container's limit (cgroup v2) where that is lower."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _cgroup("memory.max")
    return min(total, int(limit)) if limit.isdigit() else total


def _cgroup(name: str) -> str:
    """A setting of the control group that this process is in, or the empty string."""
    if sys.platform != "linux":
        return ""
    try:
        group = Path("/proc/self/cgroup").read_text().rpartition("::")[2].strip().lstrip("/")
        return (Path("/sys/fs/cgroup") / group / name).read_text().strip()
    except OSError:
        return ""
