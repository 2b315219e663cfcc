"""Exercise 06.bucketed_ddp: gradient buckets that survive the models people really have."""

# ruff: noqa: D102  (the stub is shown as it stands here; its class says what finish() does)

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from course_lib.practice.checks.exercise import Wrong, traps, variant
from course_lib.practice.checks.forms.awkward_models import awkward_model, awkward_trials
from course_lib.practice.checks.forms.same_gradients import Round, same_gradients
from course_lib.practice.checks.forms.training_steps import STEPS, bucket_costs, train_alone, train_on_ranks

WHY = {  # weights usually come out wrong with these traps
    "plain": "",
    "tied": "A tied matrix is one parameter under two names: averaged twice in place, it ends n times too small.",
    "frozen": "A frozen parameter gets no gradient, so no hook fires: leave it out of the buckets.",
    "unused": "The forward pass did not use a parameter, so its hook did not fire. Its bucket was never complete, and "
    "the other gradients in it stayed each rank's own: finish() must send what is left.",
    "seeds": "The ranks start from different weights, and equal gradients never make them equal: broadcast rank 0's "
    "weights before the first step.",
    "alone": "One rank has nothing to average; the caller steps and calls finish() all the same.",
    "tied frozen unused seeds": "Each trap alone is survived, all together are not: a frozen parameter stays each "
    "rank's own, for instance, where only trained ones are broadcast.",
}


class RobustBuckets:
    """Average gradients over all ranks; after ``finish()`` each is the mean."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError


class Reference:
    """Average gradients over all ranks; after ``finish()`` each is the mean."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        for tensor in [*model.parameters(), *model.buffers()]:
            dist.broadcast(tensor.detach(), 0)  # all ranks start from rank 0's values, whatever their seed
        parameters = [p for p in model.parameters() if p.requires_grad]  # parameters() names a tied matrix once
        self.buckets: list[list[nn.Parameter]] = [[]]
        size = 0
        for parameter in reversed(parameters):
            if size and size + parameter.nbytes > limit_bytes:
                self.buckets.append([])
                size = 0
            self.buckets[-1].append(parameter)
            size += parameter.nbytes
            number = len(self.buckets) - 1
            parameter.register_post_accumulate_grad_hook(lambda _, i=number: self.ready(i))
        self.restart()

    def restart(self) -> None:
        """Expect every gradient again."""
        self.missing = [len(bucket) for bucket in self.buckets]
        self.in_flight: list[tuple[int, dist.Work, torch.Tensor]] = []

    def ready(self, i: int) -> None:
        """Note one more gradient of bucket i; send it when it is complete."""
        self.missing[i] -= 1
        if self.missing[i] == 0:
            self.send(i)

    def send(self, i: int) -> None:
        """Start the all-reduce of bucket i; an unused parameter counts as zero."""
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.buckets[i]]
        flat = torch.cat([grad.flatten() for grad in grads])
        self.in_flight.append((i, dist.all_reduce(flat, async_op=True), flat))

    def finish(self) -> None:
        """Send what is incomplete, wait for all, write the means back."""
        for i, count in enumerate(self.missing):
            if count:
                self.send(i)
        for i, work, flat in self.in_flight:
            work.wait()
            flat /= dist.get_world_size()
            for p, mean in zip(self.buckets[i], flat.split([p.numel() for p in self.buckets[i]]), strict=True):
                p.grad = mean.view_as(p).clone()
        self.restart()


def why(this: Round) -> str:
    """Say why weights usually come out wrong with these traps, or on a plain model."""
    traps, mean = this.given["traps"], this.expected["first"]
    firsts = Round(**{**vars(this), "values": {"first": [one["first"] for one in this.more]}})
    if traps == "plain" and firsts.everywhere("first", mean * this.n):
        return "Each gradient is world_size times too large: all_reduce sums, dividing is your job."
    if this.number:
        return (
            "The first model in this process was right. This one is wider, in float64, and its `.grad` hold zeros "
            "between steps: something of the first is kept, or float64 passes through float32."
        )
    if traps == "plain" and firsts.everywhere("first", mean):
        return "Yet the first step is right: a count or a list still holds what belongs to the step before."
    return WHY[traps] or (
        "The gradients are not the mean over ranks when finish() returns: wait for each bucket, then write it back."
    )


def explain_stop(trial: Any, stopped: Any) -> str:
    """Say what usually stands behind an exception or a hang with these traps."""
    hang = "Every rank must start the same all-reduces in the same order." if stopped.waited else ""
    return WHY[trial.given["rounds"][0]["traps"]] or hang


class CopiesIntoFixedBuffers:
    """A right answer: one buffer per bucket for the whole run; each hook copies its gradient to its place there."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        for _, value in sorted(model.state_dict().items()):
            dist.broadcast(value, 0)
        groups: list[list[nn.Parameter]] = []
        room = -1
        for parameter in [p for p in model.parameters() if p.requires_grad][::-1]:
            if parameter.nbytes > room:
                groups.append([])
                room = limit_bytes
            groups[-1].append(parameter)
            room -= parameter.nbytes
            parameter.register_post_accumulate_grad_hook(partial(self.fill, len(groups) - 1))
        self.buffers = [torch.cat([torch.zeros_like(p).flatten() for p in group]) for group in groups]
        self.views: list[dict[nn.Parameter, torch.Tensor]] = []
        for group, buffer in zip(groups, self.buffers, strict=True):
            parts = buffer.detach().split([p.numel() for p in group])
            self.views.append({p: part.view_as(p) for p, part in zip(group, parts, strict=True)})
        self.begin()

    def begin(self) -> None:
        """Empty the buffers and expect every parameter again."""
        self.left = [len(views) for views in self.views]
        self.works: dict[int, Any] = {}
        for buffer in self.buffers:
            buffer.zero_()

    def fill(self, i: int, parameter: nn.Parameter) -> None:
        """Copy a gradient in; the last one starts the buffer's all-reduce."""
        self.views[i][parameter].copy_(parameter.grad)
        self.left[i] -= 1
        if not self.left[i]:
            self.works[i] = dist.all_reduce(self.buffers[i], async_op=True)

    def finish(self) -> None:
        """Wait, and give each parameter its part of the mean."""
        for i, buffer in enumerate(self.buffers):
            if i not in self.works:
                self.works[i] = dist.all_reduce(buffer, async_op=True)
        for i, views in enumerate(self.views):
            self.works[i].wait()
            for parameter, view in views.items():
                parameter.grad = view / dist.get_world_size()
        self.begin()


class WrapsTheLibrary:
    """Let DistributedDataParallel's reducer do everything."""

    def __init__(self, model: nn.Module, limit_bytes: int = 100_000) -> None:
        from torch.nn.parallel import DistributedDataParallel as Library

        self.library = Library(model, find_unused_parameters=True)
        self.finish()

    def finish(self) -> None:
        """Make the reducer ready for the next step."""
        self.library.reducer.prepare_for_backward([])


EXERCISE = same_gradients(
    id="06.bucketed_ddp",
    title="Bucketed DDP for awkward models",
    difficulty=3,
    minutes=30,
    place=3,
    task="""
`Buckets` above assumes that every parameter receives a gradient and that all ranks start from the same
weights. Write a wrapper that also survives a model with tied weights, one with a frozen parameter
(`requires_grad=False`), one with a parameter that its forward pass does not use, and ranks that were seeded
differently. The caller runs `model`'s forward and backward pass and then calls `finish()`; several steps follow one
another, and buckets leave while the backward pass still runs. The final weights must equal those of a single process,
on any number of ranks and in float32 and float64. `DistributedDataParallel` itself is not to be used.
""",
    stub=RobustBuckets,
    reference=Reference,
    make_trials=partial(awkward_trials, [[4_000], [18_000]]),
    act=partial(train_on_ranks, awkward_model),
    alone=partial(train_alone, awkward_model),
    names={"weights": f"The weights after {STEPS} steps on {{who}} are not those of a single process"},
    why=why,
    costs=bucket_costs,
    passes=lambda trial: f"Weights equal single-process training {trial.name}.",
    explain_stop=explain_stop,
    forbidden=("torch.nn.parallel.DistributedDataParallel",),
    wrong=traps("""
        ignores frozen parameters: for p in model.parameters() if p.requires_grad => for p in model.parameters()
            leave it out of the buckets
        waits for unused parameters: if count: => if False:
            Its bucket was never complete
        trusts the seed: [*model.parameters(), *model.buffers()] => []
            start from different weights
        sends tied weights twice: for p in model.parameters() => for m in model.modules() for p in m.parameters(False)
            it is sent twice here
        forgets to divide: flat /= dist.get_world_size() =>
            all_reduce sums
        never counts anew: [len(bucket) for bucket in self.buckets] => getattr(self, "missing", None) or …
        and: if count: => if count > 0:
            the first step is right
        sends after the backward pass: self.missing[i] -= 1 =>
            without overlap
        sends each parameter alone: size and size + parameter.nbytes > limit_bytes => size
            one for each parameter
        puts all into one bucket: size and size + parameter.nbytes > limit_bytes => False
            One bucket for everything
        waits in the hook: async_op=True), flat)) => …; self.in_flight[-1][1].wait()
            belongs into finish()
        aligns what is trained: [*model.parameters(), *model.buffers()] => filter(lambda p: p.requires_grad, …)
            stays each rank's own
        sends float32: torch.cat([grad.flatten() for grad in grads]) => ….float()
        and: mean.view_as(p).clone() => mean.view_as(p).to(p.dtype)
            float64 passes through float32
        orders by hash: reversed(parameters) => sorted(parameters, key=lambda p: hash(str(p.shape)))
            hash() of text differs from process to process
    """),
    cheats=(
        Wrong(WrapsTheLibrary, "uses DistributedDataParallel of the library"),
        *traps(
            """
            wraps the library under cover: from torch.nn.parallel import DistributedDataParallel as Library =>
            and: Library(model => getattr(nn.parallel, "Distributed" + "DataParallel")(model
                uses DistributedDataParallel of the library
            """,
            of=WrapsTheLibrary,
        ),
    ),
    alternatives=(
        CopiesIntoFixedBuffers,
        variant(
            Reference,
            "divides before sending",
            ("grad in grads])", "grad in grads]) / dist.get_world_size()"),
            ("flat /= dist.get_world_size()", ""),
        ),
    ),
    budget="one all-reduce per bucket, each gradient sent once per step",
    hints=(
        "Take the cases one by one. For each ask: does its hook fire, and how often? A bucket that waits for a hook "
        "that never fires is never sent. And what makes the ranks equal before the first step?",
        "Put only parameters with requires_grad into buckets, each tensor once. finish() knows which buckets are still "
        "incomplete; it can send them with zeros in the empty places. Count down per bucket, and start the count anew "
        "after each step.",
        "In __init__, broadcast every parameter and buffer from rank 0, then group "
        "reversed(list(model.parameters())) and register register_post_accumulate_grad_hook on each. In finish(), "
        "send the incomplete buckets in their order, wait for all, divide by the world size, write each slice back, "
        "reset.",
    ),
    explanation="Each trap is a gradient that comes never (frozen, unused), a parameter with two names (tied), or a "
    "start that differs (seeds: averaged gradients keep a difference of weights for ever). The library answers in "
    "the same way: it broadcasts at the start, leaves out what needs no gradient, and with "
    "find_unused_parameters=True marks unused parameters as ready. One case is left open here: a parameter that only "
    "some ranks use. Then ranks complete buckets in different orders, and collectives that are started in different "
    "orders mix up their data; the library starts bucket i + 1 only after bucket i.",
)
