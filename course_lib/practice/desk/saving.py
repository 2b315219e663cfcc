"""What a saved notebook shows where no kernel runs: the text form of each panel, with "run this cell" as the remedy.

A widget lives in its kernel. The file keeps only a number of it, and with a new kernel JupyterLab shows "Error
displaying widget: model not found" in its place, though the text form is stored beside it. So the number is not stored.
"""

from __future__ import annotations

from typing import Any

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
REMEDY = "Stored without its controls: run this cell to get them."
_REMEDY_HTML = f'<p class="course-stored"><em>{REMEDY}</em></p>'


def without_views(model: dict[str, Any], **_: Any) -> None:
    """Change a notebook that is about to be saved: no views of widgets, their text form and the remedy instead.

    A hook of Jupyter Server's contents manager, which calls it with `model`, what the page sent, and names the path and
    the manager besides. The page keeps its widgets. An output that holds nothing but a view becomes the remedy.
    """
    notebook = model.get("content")
    if model.get("type") != "notebook" or not isinstance(notebook, dict):
        return
    for cell in notebook.get("cells", []):
        for output in cell.get("outputs", []):
            if WIDGET_VIEW in output.get("data", {}):
                output["data"] = _still(output["data"])
    notebook.get("metadata", {}).pop("widgets", None)


def _still(data: dict[str, Any]) -> dict[str, Any]:
    kept = {kind: body for kind, body in data.items() if kind != WIDGET_VIEW}
    if "text/html" in kept:
        return kept | {"text/html": f"{_joined(kept['text/html'])}{_REMEDY_HTML}"}
    text = _joined(kept.get("text/plain", ""))
    return kept | {"text/plain": f"{text}\n{REMEDY}".lstrip("\n")}


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
