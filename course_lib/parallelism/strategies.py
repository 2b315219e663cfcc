"""What the strategies of chapter 06 take from here: parameters grouped into buckets, and DDP with spans.

A strategy of `data_parallel.train` is `strategy(model) -> (module, finish)`; those by hand stand in the chapter. Spans
tell what they do: "all_reduce" while a message is under way (label `bytes`), "wait" while the thread that computes
stands still for it, and an empty one, "gradient", at the moment at which a hook sees one ready.
"""

from collections.abc import Callable, Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks
from torch.nn.parallel import DistributedDataParallel

from course_lib import lab

Averaged = tuple[nn.Module, Callable[[], None]]


def make_buckets(parameters: Iterable[nn.Parameter], limit_bytes: int) -> list[list[nn.Parameter]]:
    """Group parameters, last first since their gradients come first, into buckets of at most `limit_bytes`.

    A parameter that is larger than the limit has a bucket of its own.
    """
    buckets: list[list[nn.Parameter]] = [[]]
    size = 0
    for parameter in reversed(list(parameters)):
        if buckets[-1] and size + parameter.nbytes > limit_bytes:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.nbytes
    return buckets


def library_ddp_spans(model: nn.Module, limit_bytes: int = 100_000) -> Averaged:
    """PyTorch's `DistributedDataParallel`, its messages recorded as spans by a communication hook.

    DDP waits inside the backward pass, in C++: its "backward" has that wait in it, and there is no "wait" span.
    """
    device = next(model.parameters()).device
    module = DistributedDataParallel(
        model, device_ids=None if device.type == "cpu" else [device], bucket_cap_mb=limit_bytes / 2**20
    )

    # torch compares these annotations with the classes: strings of `from __future__ import annotations` are refused.
    def hook(state: object, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
        span = lab.start_span("all_reduce", bytes=bucket.buffer().nbytes)

        def arrived(future: torch.futures.Future[Tensor]) -> Tensor:
            span.stop()
            return future.value()

        return default_hooks.allreduce_hook(state, bucket).then(arrived)

    module.register_comm_hook(None, hook)
    return module, lambda: None
