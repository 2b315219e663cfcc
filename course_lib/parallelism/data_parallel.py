"""Data-parallel training of the small GPT: the loop that every strategy of chapter 06 runs in.

A strategy is a function ``strategy(model) -> (module, finish)``. The loop calls ``module`` for the forward pass and
``finish()`` between the backward pass and the optimiser's step; when ``finish`` returns, every gradient must be the
mean over ranks. The loop runs unchanged in one process, on a gang and under ``course run``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from course_lib import lab
from course_lib.data.text import Corpus
from course_lib.models.train_gpt import small_gpt

Strategy = Callable[[nn.Module], tuple[nn.Module, Callable[[], None]]]


@dataclass(repr=False)
class TrainingRun:
    """What one rank brings back: the mean loss over ranks per step (nats per token) and its final parameters.

    module: the class that the forward pass went through, for instance "DistributedDataParallel".
    """

    losses: list[float] = field(default_factory=list)
    parameters: Tensor = field(default_factory=lambda: torch.empty(0))
    module: str = ""

    def __repr__(self) -> str:
        return f"{len(self.losses)} steps, loss {self.losses[0]:.3f} to {self.losses[-1]:.3f} nats per token"


def no_communication(model: nn.Module) -> tuple[nn.Module, Callable[[], None]]:
    """The strategy of a single process: nothing to average."""
    return model, lambda: None


def library_ddp(model: nn.Module) -> tuple[nn.Module, Callable[[], None]]:
    """PyTorch's ``DistributedDataParallel``: it averages in buckets while the backward pass still runs."""
    device = next(model.parameters()).device
    return DistributedDataParallel(model, device_ids=None if device.type == "cpu" else [device]), lambda: None


def flat_parameters(model: nn.Module) -> Tensor:
    """All parameters as one float32 vector on the CPU, shape (num_parameters,)."""
    return torch.cat([p.detach().flatten().float().cpu() for p in model.parameters()])


def mean_over_ranks(value: Tensor) -> float:
    """Mean of a scalar over all ranks, for logging; never part of the gradient's path."""
    value = value.detach().clone()
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value.item()


def training_step(
    module: nn.Module,
    finish: Callable[[], None],
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
) -> Tensor:
    """One step on this rank's own rows of the batch, x and y of shape (B/n, T); returns the mean loss of these rows."""
    with lab.span("forward"):
        loss = nn.functional.cross_entropy(module(x).flatten(0, 1), y.flatten())
    with lab.span("backward"):
        loss.backward()
    with lab.span("finish"):
        finish()
    with lab.span("optimizer"):
        optimizer.step()
        optimizer.zero_grad()
    return loss


def train(
    rank: int = 0,
    steps: int = 20,
    strategy: Strategy | None = None,
    global_batch: int = 32,
    lr: float = 3e-3,
    seed: int = 0,
    eps: float = 1e-5,
) -> TrainingRun:
    """Train the small GPT on ``global_batch`` windows per step, shared out over the ranks of the process group.

    Every rank draws the same global batch from the same seed and keeps rows ``rank::world_size`` of it, so that the
    union over ranks is the batch that a single process would see. All ranks hold equally many tokens, hence the mean
    of their mean losses is the global mean.

    Args:
        rank: this process' rank; 0 where there is no process group.
        steps: optimiser steps.
        strategy: how gradients are averaged; ``library_ddp`` where there is a process group.
        global_batch: windows per step over all ranks; must be a multiple of the world size.
        lr: AdamW's constant learning rate.
        seed: of the initial parameters and of the batches.
        eps: AdamW's. With its default of 1e-8 a gradient that is nearly zero makes a full step, and so does the
            rounding noise in it; 1e-5 damps that, so that runs on different world sizes can be compared.

    Raises:
        ValueError: if the batch does not divide evenly over the ranks.
    """
    world_size = dist.get_world_size() if dist.is_initialized() else 1
    if global_batch % world_size:
        raise ValueError(f"global_batch={global_batch} does not divide over {world_size} ranks; use a multiple of it.")
    if strategy is None:
        strategy = library_ddp if dist.is_initialized() else no_communication
    device, corpus = lab.device(), Corpus.load()
    model = small_gpt(seed).to(device)
    module, finish = strategy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, eps=eps)
    generator = torch.Generator().manual_seed(seed)
    run = TrainingRun(module=type(module).__name__)
    for step in range(steps):
        x, y = corpus.batch("train", global_batch, generator, model.config.block_size)
        mine = slice(rank, None, world_size)
        loss = training_step(module, finish, optimizer, x[mine].to(device), y[mine].to(device))
        run.losses.append(mean_over_ranks(loss))
        lab.report(step + 1, steps, loss=run.losses[-1])
    run.parameters = flat_parameters(model)
    return run
