"""What a cell needs to run, measure and draw: ranks, devices, spans, counters, figures, widgets.

`from course_lib import lab` loads none of torch, matplotlib or ipywidgets: each name is imported from its module when
it is first used (PEP 562).
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_lib.lab.allocations import Allocations, allocations
    from course_lib.lab.device import Machine, autocast, device, machine, seed_all, synchronize
    from course_lib.lab.figures import Picture, figure, label_lines
    from course_lib.lab.flops import count_flops
    from course_lib.lab.gang import Gang, GangError, GangResult
    from course_lib.lab.measure import (
        Timing,
        copy_bytes_per_s,
        matmul_flops_per_s,
        rounded,
        table,
        thread_time_repeated,
        time_repeated,
    )
    from course_lib.lab.memory import peak_memory
    from course_lib.lab.spans import Span, Timeline, collect_spans, report, span, start_span
    from course_lib.lab.traffic import Sent, count_sends
    from course_lib.lab.widgets import control_panel

_NAMES_BY_MODULE = {
    "allocations": ("Allocations", "allocations"),
    "device": ("Machine", "autocast", "device", "machine", "seed_all", "synchronize"),
    "figures": ("Picture", "figure", "label_lines"),
    "flops": ("count_flops",),
    "gang": ("Gang", "GangError", "GangResult"),
    "measure": (
        "Timing",
        "copy_bytes_per_s",
        "matmul_flops_per_s",
        "rounded",
        "table",
        "thread_time_repeated",
        "time_repeated",
    ),
    "memory": ("peak_memory",),
    "spans": ("Span", "Timeline", "collect_spans", "report", "span", "start_span"),
    "traffic": ("Sent", "count_sends"),
    "widgets": ("control_panel",),
}
_HOME = {name: f"{__name__}.{module}" for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [
    "Allocations",
    "Gang",
    "GangError",
    "GangResult",
    "Machine",
    "Picture",
    "Sent",
    "Span",
    "Timeline",
    "Timing",
    "allocations",
    "autocast",
    "collect_spans",
    "control_panel",
    "copy_bytes_per_s",
    "count_flops",
    "count_sends",
    "device",
    "figure",
    "label_lines",
    "machine",
    "matmul_flops_per_s",
    "peak_memory",
    "report",
    "rounded",
    "seed_all",
    "span",
    "start_span",
    "synchronize",
    "table",
    "thread_time_repeated",
    "time_repeated",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})


class _Lab(ModuleType):
    """The package's module type: a submodule never hides the public function of the same name (`lab.device`)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOME and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)  # a pickled function that uses `lab` finds it by name


sys.modules[__name__].__class__ = _Lab
