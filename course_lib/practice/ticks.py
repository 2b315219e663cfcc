"""A checkbox whose label is a whole sentence: it wraps instead of being cut, and shows code spans as code."""

from __future__ import annotations

import ipywidgets as widgets

# ipywidgets cuts a label after one line; the style must stand in some HTML beside the boxes.
STYLE = (
    "<style>.course-tick,.course-tick .widget-label-basic{height:auto;white-space:normal;line-height:1.5}"
    ".course-tick .widget-label-basic{display:flex;align-items:flex-start;gap:.5em;overflow:visible}"
    ".course-tick input{flex:none;margin-top:.25em}</style>"
)


def tick(label: str, value: bool = False) -> widgets.Checkbox:
    """A box for one sentence. label: HTML, escaped by the caller."""
    box = widgets.Checkbox(
        value=value,
        description=label,
        description_allow_html=True,
        indent=False,
        layout={"width": "auto", "max_width": "62em", "height": "auto"},
    )
    box.add_class("course-tick")
    return box
