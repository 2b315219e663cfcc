"""What nbval compares of an output: its text, not its looks.

An output shown as HTML or as a picture carries `text/plain` beside it, and that text says the same. A change of the
style sheet changes every panel's HTML and no claim, so where the text stands, only the text is compared. nbval 0.11 can
leave out a kind of data everywhere (`IPyNbFile.skip_compare`), not where another kind stands beside it; hence one
wrapper around its comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbformat import NotebookNode

PLAIN = "text/plain"
LOOKS = frozenset(
    {
        "text/html",
        "image/png",
        "image/jpeg",
        "image/svg+xml",
        "application/vnd.jupyter.widget-view+json",
    }
)


def without_looks(outputs: Sequence[Mapping[str, Any]]) -> list[NotebookNode]:
    """Return the outputs without HTML, pictures and widget views where an output has `text/plain` beside them."""
    kept = []
    for output in outputs:
        data = output.get("data", {})
        if PLAIN in data:
            output = {**output, "data": {kind: body for kind, body in data.items() if kind not in LOOKS}}
        kept.append(NotebookNode(output))
    return kept


def compare_text() -> None:
    """Make nbval compare outputs without their looks, in this process; a second call changes nothing."""
    from nbval.plugin import IPyNbCell

    compare = IPyNbCell.compare_outputs
    if getattr(compare, "text_only", False):
        return

    def compare_outputs(self: Any, test: Any, ref: Any, skip_compare: Any = None) -> bool:
        return compare(self, without_looks(test), without_looks(ref), skip_compare)

    compare_outputs.text_only = True  # type: ignore[attr-defined]
    IPyNbCell.compare_outputs = compare_outputs
