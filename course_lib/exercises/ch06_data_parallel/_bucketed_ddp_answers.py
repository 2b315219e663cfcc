"""Wrong, cheating and other right answers to 06.bucketed_ddp, and the words for each trap."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

_WHY = {
    "tied": "A tied matrix is one parameter under two names: averaged twice in place, it ends n times too small.",
    "frozen": "A frozen parameter gets no gradient, so no hook fires: leave it out of the buckets.",
    "unused": "The forward pass did not use a parameter, so its hook did not fire. Its bucket was never complete, "
    "and the other gradients in it stayed each rank's own: finish() must send what is left.",
    "seeds": "The ranks start from different weights, and equal gradients never make them equal: broadcast rank 0's "
    "weights before the first step.",
    "alone": "One rank has nothing to average; the caller steps and calls finish() all the same.",
}


def why_wrong(traps: str, first_is_right: bool, summed: bool, number: int) -> str:
    """Say why weights usually come out wrong with these traps; number: of the model in this process, from 0."""
    if traps == "plain" and summed:
        return "Each gradient is world_size times too large: all_reduce sums, dividing is your job."
    if number:
        return (
            "Another model in the same process was right: something of it is kept, or `.grad` that holds zeros is not."
        )
    if traps == "plain" and first_is_right:
        return "Yet the first step is right: a count or a list still holds what belongs to the step before."
    if traps == "plain":
        return (
            "The gradients are not the mean over ranks when finish() returns: wait for each bucket, then write it back."
        )
    return _WHY.get(
        traps,
        "Each trap alone is survived, all together are not: a frozen parameter stays each rank's own, for instance, "
        "where only trained ones are broadcast.",
    )


def explain_stop(traps: str, stopped: Any) -> str:
    """Say what usually stands behind an exception or a hang with these traps."""
    hang = "Every rank must start the same all-reduces in the same order." if stopped.waited else ""
    return _WHY.get(traps, hang)


class _Buckets:
    """A right answer whose parts the classes below replace."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        self.align(model)
        self.limit_bytes = limit_bytes
        self.groups = self.make_groups(self.choose(model))
        self.seen = [0] * len(self.groups)
        self.works: list[tuple[int, Any, torch.Tensor]] = []
        for number, group in enumerate(self.groups):
            for parameter in group:
                parameter.register_post_accumulate_grad_hook(partial(self.on_gradient, number))

    def align(self, model: nn.Module) -> None:
        for tensor in model.parameters():
            dist.broadcast(tensor.data, src=0)

    def choose(self, model: nn.Module) -> list[nn.Parameter]:
        return [p for p in model.parameters() if p.requires_grad]

    def make_groups(self, parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
        groups: list[list[nn.Parameter]] = []
        room = -1
        for parameter in parameters[::-1]:
            if parameter.nbytes > room:
                groups.append([])
                room = self.limit_bytes
            groups[-1].append(parameter)
            room -= parameter.nbytes
        return groups

    def on_gradient(self, number: int, parameter: torch.Tensor) -> None:
        self.seen[number] += 1
        if self.seen[number] == len(self.groups[number]):
            self.start(number)

    def start(self, number: int) -> None:
        flat = torch.cat([self.grad_of(p).reshape(-1) for p in self.groups[number]])
        self.works.append((number, dist.all_reduce(flat, async_op=True), flat))

    def grad_of(self, parameter: nn.Parameter) -> torch.Tensor:
        return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad

    def late(self) -> list[int]:
        return [i for i, group in enumerate(self.groups) if self.seen[i] < len(group)]

    def finish(self) -> None:
        for number in self.late():
            self.start(number)
        for number, work, flat in self.works:
            work.wait()
            self.write_back(self.groups[number], self.mean(flat))
        self.reset()

    def mean(self, flat: torch.Tensor) -> torch.Tensor:
        return flat / dist.get_world_size()

    def write_back(self, group: list[nn.Parameter], flat: torch.Tensor) -> None:
        for parameter, part in zip(group, flat.split([p.numel() for p in group]), strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(part.view_as(parameter))

    def reset(self) -> None:
        self.works.clear()
        self.seen = [0] * len(self.groups)


class IgnoresFrozenParameters(_Buckets):
    """Take every parameter, as the chapter's version does."""

    def choose(self, model: nn.Module) -> list[nn.Parameter]:
        return list(model.parameters())


class WaitsForUnusedParameters(_Buckets):
    """Send only what the hooks have completed."""

    def late(self) -> list[int]:
        return []


class TrustsTheSeed(_Buckets):
    """Assume that all ranks start alike."""

    def align(self, model: nn.Module) -> None:
        pass


class SendsTiedWeightsTwice(_Buckets):
    """Collect parameters module by module."""

    def choose(self, model: nn.Module) -> list[nn.Parameter]:
        found = [p for module in model.modules() for p in module.parameters(recurse=False)]
        return [p for p in found if p.requires_grad]


class ForgetsToDivide(_Buckets):
    """Take all_reduce's sum for the mean."""

    def mean(self, flat: torch.Tensor) -> torch.Tensor:
        return flat


class NeverCountsAnew(_Buckets):
    """Keep the count of the step before."""

    def late(self) -> list[int]:
        return []

    def reset(self) -> None:
        self.works.clear()


class SendsAfterTheBackwardPass(_Buckets):
    """Leave everything to finish."""

    def on_gradient(self, number: int, parameter: torch.Tensor) -> None:
        pass


class WaitsInTheHook(_Buckets):
    """Start a bucket in its hook, and wait for it there."""

    def start(self, number: int) -> None:
        super().start(number)
        self.works[-1][1].wait()


class AlignsWhatIsTrained(_Buckets):
    """Broadcast only what is trained."""

    def align(self, model: nn.Module) -> None:
        for tensor in self.choose(model):
            dist.broadcast(tensor.data, src=0)


class SendsEachParameterAlone(_Buckets):
    """Make a bucket of each parameter."""

    def make_groups(self, parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
        return [[parameter] for parameter in reversed(parameters)]


class PutsAllIntoOneBucket(_Buckets):
    """Make one bucket of all parameters."""

    def make_groups(self, parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
        return [parameters[::-1]]


class DividesBeforeSending(_Buckets):
    """A right answer: each rank sends its share of the mean."""

    def grad_of(self, parameter: nn.Parameter) -> torch.Tensor:
        return super().grad_of(parameter) / dist.get_world_size()

    def mean(self, flat: torch.Tensor) -> torch.Tensor:
        return flat


class CopiesIntoFixedBuffers:
    """A right answer: one buffer per bucket for the whole run; each hook copies its gradient to its place there."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        with torch.no_grad():
            for _, value in sorted(model.state_dict().items()):
                dist.broadcast(value, 0)
        self.places: dict[nn.Parameter, tuple[int, int]] = {}
        sizes: list[int] = []
        for parameter in list(dict.fromkeys(model.parameters()))[::-1]:
            if parameter.requires_grad:
                if not sizes or (sizes[-1] + parameter.numel()) * 4 > limit_bytes:
                    sizes.append(0)
                self.places[parameter] = (len(sizes) - 1, sizes[-1])
                sizes[-1] += parameter.numel()
                parameter.register_post_accumulate_grad_hook(self.fill)
        self.buffers = [torch.zeros(size) for size in sizes]
        self.left = [0 for _ in sizes]
        self.works: dict[int, Any] = {}
        self.begin()

    def begin(self) -> None:
        """Empty the buffers and expect every parameter again."""
        for i, buffer in enumerate(self.buffers):
            buffer.zero_()
            self.left[i] = sum(place[0] == i for place in self.places.values())
        self.works.clear()

    def slice_of(self, parameter: nn.Parameter) -> torch.Tensor:
        """Return a parameter's place in its buffer, in the parameter's shape."""
        i, offset = self.places[parameter]
        return self.buffers[i][offset : offset + parameter.numel()].view_as(parameter)

    def fill(self, parameter: nn.Parameter) -> None:
        """Copy a gradient in; the last one starts the buffer's all-reduce."""
        i, _ = self.places[parameter]
        self.slice_of(parameter).copy_(parameter.grad)
        self.left[i] -= 1
        if not self.left[i]:
            self.works[i] = dist.all_reduce(self.buffers[i], async_op=True)

    def finish(self) -> None:
        """Wait, and give each parameter its part of the mean."""
        for i, buffer in enumerate(self.buffers):
            if i not in self.works:
                self.works[i] = dist.all_reduce(buffer, async_op=True)
        for work in self.works.values():
            work.wait()
        for parameter in self.places:
            parameter.grad = self.slice_of(parameter) / dist.get_world_size()
        self.begin()


class WrapsTheLibrary:
    """Let DistributedDataParallel's reducer do everything."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        from torch.nn.parallel import DistributedDataParallel as Library

        self.library = Library(model, find_unused_parameters=True)
        self.library.reducer.prepare_for_backward([])

    def finish(self) -> None:
        """Make the reducer ready for the next step."""
        self.library.reducer.prepare_for_backward([])


class WrapsTheLibraryUnderCover:
    """The same, without naming it."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        self.library = getattr(nn.parallel, "Distributed" + "DataParallel")(model, find_unused_parameters=True)
        self.library.reducer.prepare_for_backward([])

    def finish(self) -> None:
        """Make the reducer ready for the next step."""
        self.library.reducer.prepare_for_backward([])
