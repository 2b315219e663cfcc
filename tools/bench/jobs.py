"""Functions that the benchmarks run on ranks, importable so that torchrun can start them too."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def one_ddp_step(rank: int) -> float:
    """Build DDP around a small layer, run one step and return the mean gradient's norm: what a first cell does."""
    torch.manual_seed(0)
    module = DistributedDataParallel(nn.Linear(64, 64))
    module(torch.full((8, 64), float(rank))).square().mean().backward()
    return module.module.weight.grad.norm().item()


def alternate_all_reduces(
    rank: int, ring: Callable[[torch.Tensor], None], numel: int, pairs: int = 9
) -> list[tuple[float, float]]:
    """Seconds of (ring, the library's all_reduce) on the same tensor of ``numel`` float32 elements, pair by pair."""
    tensor, seconds = torch.ones(numel), []
    for _ in range(pairs + 1):
        pair = []
        for all_reduce in (ring, dist.all_reduce):
            tensor.fill_(1.0)
            dist.barrier()
            start = time.perf_counter()
            all_reduce(tensor)
            pair.append(time.perf_counter() - start)
        seconds.append((pair[0], pair[1]))
    return seconds[1:]


def idle_after_import(rank: int) -> None:
    """Do nothing but join: what a rank weighs before the model."""
    dist.barrier()
    time.sleep(0.5)
