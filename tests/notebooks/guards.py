"""What must hold for every stored notebook: each guard is a function from a notebook to the sentences it has to say."""

from __future__ import annotations

from tests.notebooks import outputs, style, walk
from tests.notebooks.reading import Guard

GUARDS: tuple[Guard, ...] = (
    outputs.executed,
    outputs.in_order,
    outputs.fresh,
    outputs.says_what_it_prints,
    outputs.captioned,
    outputs.digested,
    outputs.said_in_text,
    outputs.small_pictures,
    outputs.no_machine_paths,
    outputs.errors_on_purpose,
    outputs.no_stderr,
    outputs.mostly_compared,
    style.led_in,
    style.short_cells,
    style.described,
    style.identified,
    style.plain_prose,
)
OF_A_PLAN: tuple[Guard, ...] = (
    outputs.no_machine_paths,
    style.described,
    style.identified,
    style.plain_prose,
    walk.whole,
)
