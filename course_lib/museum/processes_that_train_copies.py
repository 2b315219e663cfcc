"""Exhibit 17: N processes each train a copy of the model, and the copies are thrown away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor, nn


def wrong(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Train the model with two processes."""
    import torch
    from torch.nn import functional as F

    from course_lib.lab import Gang

    def train(rank: int) -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            optimizer.zero_grad()
            F.mse_loss(model(x), y).backward()
            optimizer.step()

    Gang(2, timeout=20).run(train)  # each rank gets the model by copy, as a forked process would


def repaired(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Train the model with two processes."""
    import torch
    from torch.nn import functional as F
    from torch.nn.parallel import DistributedDataParallel

    from course_lib.lab import Gang

    def train(rank: int) -> dict[str, Tensor]:
        replica = DistributedDataParallel(model)
        optimizer = torch.optim.SGD(replica.parameters(), lr=0.1)
        own_x, own_y = x.chunk(2)[rank], y.chunk(2)[rank]
        for _ in range(10):
            optimizer.zero_grad()
            F.mse_loss(replica(own_x), own_y).backward()
            optimizer.step()
        return model.state_dict()

    model.load_state_dict(Gang(2, timeout=20).run(train)[0])


def measure(program: Callable[[nn.Module, Tensor, Tensor], None]) -> Finding:
    """Compare the caller's model before and after, and with ten steps in one process."""
    import copy

    import torch
    from torch.nn import functional as F

    model, x, y = _scene()
    alone = copy.deepcopy(model)
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        F.mse_loss(alone(x), y).backward()
        optimizer.step()
    before = model.weight.detach().clone()
    program(model, x, y)
    moved = float((model.weight - before).abs().max())
    off = float((model.weight - alone.weight).abs().max())
    return Finding(
        moved,
        "in the largest weight change",
        f"When the processes have ended, the caller's weights have moved by {rounded(moved, 2)}; ten steps in one "
        f"process move them by {rounded(float((alone.weight - before).abs().max()), 2)}.",
        "" if off < 1e-5 else f"The weights are {rounded(off, 2)} away from those of one process on all the data.",
    )


def change_under_spawn() -> float:
    """Largest change of the caller's weights when two spawned processes train "copies": torch shares CPU tensors.

    Both write into one memory without a lock. Several seconds: each process imports torch.
    """
    import torch.multiprocessing

    model, x, y = _scene()
    before = model.weight.detach().clone()
    torch.multiprocessing.spawn(_train_what_was_given, args=(model, x, y), nprocs=2)
    return float((model.weight - before).abs().max())


def _train_what_was_given(rank: int, model: nn.Module, x: Tensor, y: Tensor) -> None:
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        optimizer.step()


def _scene() -> tuple[nn.Module, Tensor, Tensor]:
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.randn(32, 4)
    return nn.Linear(4, 1), x, 2 * x.sum(dim=1, keepdim=True)


EXHIBIT = Exhibit(
    number="17",
    title="Horizontal scaling of training",
    fault_name="Copies that nobody collects",
    chapters=("06",),
    questions=("s000-q24", "s000-q26"),
    claim="Start N processes that train the model: horizontal scaling.",
    quantity="the largest change of the caller's weights after the processes have ended",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(0, 0),
    healed=Range(0.01),
    faulty={
        "F.mse_loss(model(x), y).backward()": (
            "Every process computes the same gradient of all the data: the work is repeated, not shared."
        ),
        "run(train)": (
            "Processes start with a copy of the model, and what they return is dropped: the caller's model stays as "
            "it was."
        ),
    },
    fine={
        "optimizer = torch.optim.SGD": "Each process needs an optimizer of its own.",
        "for _ in range(10):": "Ten steps each; the trouble is what becomes of them.",
        "def train(rank: int)": "A function per rank is how data parallelism is written.",
    },
    why_it_passes_review=(
        "All processors are busy, every process prints a falling loss and ends well. Under spawn torch moves CPU "
        "tensors to shared memory, so the weights do change, by two processes writing into one memory with no lock, "
        "which looks like success."
    ),
    repair="Give each process its share of the data, average gradients at each step (DDP), and collect the weights.",
)
