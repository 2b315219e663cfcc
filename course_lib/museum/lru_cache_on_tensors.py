"""Exhibit 16: lru_cache on tensors never hits, and answers wrongly when a buffer is reused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import Tensor


def wrong(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The model with a cache: equal inputs are computed once."""
    from functools import lru_cache

    @lru_cache(maxsize=128)
    def predict(x: Tensor) -> Tensor:
        return model(x)

    return predict


def repaired(model: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The model with a cache: equal inputs are computed once."""
    from collections import OrderedDict

    kept: OrderedDict[tuple, Tensor] = OrderedDict()

    def predict(x: Tensor) -> Tensor:
        key = (x.dtype, x.shape, x.numpy(force=True).tobytes())  # the content, not the object
        if key in kept:
            kept.move_to_end(key)
        else:
            kept[key] = model(x)
            if len(kept) > 128:
                kept.popitem(last=False)
        return kept[key].clone()

    return predict


def measure(program: Callable) -> Finding:
    """Ask 100 times with equal inputs and count the model's calls; then reuse a buffer in place."""
    import torch

    calls = []

    def model(x: Tensor) -> Tensor:
        calls.append(1)
        return 2 * x

    predict = program(model)
    for _ in range(100):
        predict(torch.ones(3))
    computed = len(calls)
    buffer = torch.ones(3)
    predict(buffer)
    buffer.fill_(5)
    answer = predict(buffer).tolist()
    predict(buffer)[0] = -1  # a caller that writes into its answer
    spoiled = predict(buffer).tolist()
    stale = (
        f"A buffer reused for other numbers gets {answer}, the answer to the old ones." if answer != [10.0] * 3 else ""
    )
    shared = (
        "A caller that writes into its answer changes the cached one." if not stale and spoiled != [10.0] * 3 else ""
    )
    return Finding(
        computed,
        "calls",
        f"For 100 equal inputs the model is called {computed} time{'s' * (computed > 1)}; for [5, 5, 5] in a reused "
        f"buffer 2x is {answer}.",
        stale or shared,
    )


EXHIBIT = Exhibit(
    number="16",
    title="Caching repeated predictions",
    fault_name="lru_cache on tensors",
    chapters=("15",),
    questions=("s003-q04", "s003-q10"),
    claim="Put lru_cache on predict and repeated inputs cost nothing.",
    quantity="calls of the model for 100 equal inputs",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(100, 100),
    healed=Range(1, 1),
    faulty={
        "@lru_cache(maxsize=128)": (
            "It finds entries by hash and equality; a tensor's hash is its identity. Equal inputs miss, and one "
            "object that was changed in place hits."
        ),
    },
    fine={
        "return model(x)": "Calling the model on a miss is right.",
        "def predict(x: Tensor)": "The function has no other argument that the cache would have to know.",
        "return predict": "Returning the wrapped function is right.",
    },
    why_it_passes_review=(
        "In a test with one tensor object the second call is instant. In service each request is a new object: no "
        "hit ever, and the last 128 inputs and outputs stay in device memory. With a reused input buffer a user "
        "gets somebody else's answer."
    ),
    repair=(
        "Key by content (type, shape and bytes, or the request's token ids) and hand out a copy. For language "
        "models cache prefixes, not calls."
    ),
)
