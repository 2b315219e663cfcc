"""Whether somebody sits before this kernel: outputs that are stored or compared are made with nobody there."""

import os
import sys
from collections.abc import Callable
from typing import Any


def somebody_there() -> bool:
    """Tell whether a reader may be there: not where outputs are compared, nor where a notebook is executed headless.

    A front end with a person says that it can ask for input; nbclient, nbval and nbconvert say that they cannot.
    """
    if os.environ.get("COURSE_ORDERED", "") not in ("", "0"):
        return False
    kernel = _kernel()
    return kernel is None or bool(getattr(kernel, "_allow_stdin", True))


def in_live_notebook() -> bool:
    """Tell whether a widget would be seen and could be used."""
    return _kernel() is not None and somebody_there()


def live_bundle(static: Any, widget: Callable[[], Any]) -> dict[str, Any]:
    """What a cell shows: text and HTML of `static`, and in front of them the widget where it could be used."""
    bundle = {"text/plain": repr(static), "text/html": static._repr_html_()}
    return widget()._repr_mimebundle_() | bundle if in_live_notebook() else bundle


def _kernel() -> object | None:
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython else None
