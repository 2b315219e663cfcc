"""Ways to average gradients over ranks that differ in one thing at a time: messages, when they start, who waits.

Each is a strategy of `data_parallel.train`: `strategy(model) -> (module, finish)`. Three kinds of spans tell what they
do: "all_reduce" while a message is under way (label `bytes`), "wait" while the thread that computes stands still for
it, and the loop's own "backward".
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


class InFlight:
    """One all-reduce under way: the gradients of `parameters` in one flat tensor."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self.flat = torch.cat([_gradient(p).flatten() for p in parameters])
        self.span = lab.start_span("all_reduce", bytes=self.flat.nbytes)
        self.work = dist.all_reduce(self.flat, async_op=True)
        self.work.get_future().then(lambda _: self.span.stop())

    def wait(self) -> None:
        """Stand still until the sum has arrived."""
        with lab.span("wait"):
            self.work.wait()
            self.span.stop()  # at the latest now; usually torch's own thread has done it before

    def write(self) -> None:
        """Divide the sum by the number of ranks and put it where the gradients were."""
        self.flat /= dist.get_world_size()
        parts = self.flat.split([p.numel() for p in self.parameters])
        for parameter, mean in zip(self.parameters, parts, strict=True):
            _gradient(parameter).copy_(mean.view_as(parameter))


def per_parameter(model: nn.Module) -> Averaged:
    """One message per parameter, after the backward pass, each waited for before the next."""
    return _after(model, [[parameter] for parameter in reversed(list(model.parameters()))])


def buckets_one_by_one(model: nn.Module, limit_bytes: int = 100_000) -> Averaged:
    """One message per bucket, after the backward pass, each waited for before the next."""
    return _after(model, make_buckets(model.parameters(), limit_bytes))


def one_message(model: nn.Module) -> Averaged:
    """One message with all gradients, after the backward pass."""
    return _after(model, [list(model.parameters())])


def buckets_at_once(model: nn.Module, limit_bytes: int = 100_000) -> Averaged:
    """One message per bucket, after the backward pass, all started before any is waited for."""
    buckets = make_buckets(model.parameters(), limit_bytes)

    def finish() -> None:
        _wait_and_write([InFlight(bucket) for bucket in buckets])

    return model, finish


def buckets_overlapped(model: nn.Module, limit_bytes: int = 100_000) -> Averaged:
    """One message per bucket, started in the backward pass as soon as the bucket's last gradient is there."""
    in_flight: list[InFlight] = []

    def finish() -> None:
        _wait_and_write(in_flight)
        in_flight.clear()

    _when_full(model, limit_bytes, lambda bucket: in_flight.append(InFlight(bucket)))
    return model, finish


def buckets_waited_for(model: nn.Module, limit_bytes: int = 100_000) -> Averaged:
    """The control of `buckets_overlapped`: the same starts, but the hook waits, so that nothing overlaps."""

    def start_and_wait(bucket: list[nn.Parameter]) -> None:
        with lab.span("wait"):
            message = InFlight(bucket)
            message.wait()
        message.write()

    _when_full(model, limit_bytes, start_and_wait)
    return model, lambda: None


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


def _after(model: nn.Module, buckets: list[list[nn.Parameter]]) -> Averaged:
    def finish() -> None:
        for bucket in buckets:
            _wait_and_write([InFlight(bucket)])

    return model, finish


def _wait_and_write(messages: list[InFlight]) -> None:
    for message in messages:
        message.wait()
        message.write()


def _when_full(model: nn.Module, limit_bytes: int, act: Callable[[list[nn.Parameter]], None]) -> None:
    """Call `act(bucket)` in the backward pass, each time all gradients of a bucket have been accumulated."""
    for bucket in make_buckets(model.parameters(), limit_bytes):
        ready: list[nn.Parameter] = []

        def on_gradient(parameter: nn.Parameter, bucket: list = bucket, ready: list = ready) -> None:
            ready.append(parameter)
            if len(ready) == len(bucket):
                ready.clear()
                act(bucket)

        for parameter in bucket:
            parameter.register_post_accumulate_grad_hook(on_gradient)


def _gradient(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        raise ValueError(
            f"A parameter of shape {tuple(parameter.shape)} has no gradient: these strategies average all parameters, "
            "so each must take part in the loss (freeze none)."
        )
    return parameter.grad
