"""One look for every figure of the course, and pictures that carry their words and a comparable digest.

`figure()` makes a matplotlib figure in the course's style; `Picture(fig, caption)` shows it. A picture is stored as a
PNG with, in the same bundle, a small JSON digest of what is drawn: a PNG cannot be compared between two runs, the
digest can. The words stand below the picture because JupyterLab gives every image the alternative text "Image".
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MIME = "application/vnd.course.figure+json"
MAX_PNG_BYTES = 60_000
DPI = 110
LEAST_WIDTH = 460  # pixels of a page: a 13 point letter is then 12 high; also in practice/desk/jupyterlab/custom.css

# Okabe and Ito (2008), "Color Universal Design": told apart with any of the common colour-vision deficiencies.
# Their yellow is left out because it vanishes on a white card.
PALETTE = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "orange": "#E69F00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#000000",
}
COLOURS = list(PALETTE.values())

# At 7 inches and 110 dots per inch a 13 point letter is 20 pixels of 770, and 10 pixels when the picture is 400 wide.
# White faces are set one by one: a transparent figure would put black letters on a dark page.
_STYLE: Any = {
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": "#444444",
    "axes.labelsize": 13,
    "axes.titlesize": 14,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "font.size": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "legend.frameon": False,
    "lines.linewidth": 2.2,
    "lines.markersize": 7,
    "patch.linewidth": 0.8,
}


def figure(rows: int = 1, cols: int = 1, width: float = 7.0, height: float = 3.2, **subplots_kw: Any) -> tuple:
    """Make a figure in the course's style and return (figure, axes), as `plt.subplots` does.

    rows, cols: number of small plots. width, height: inches. Other arguments go to `Figure.subplots`.
    The figure is not registered with pyplot, so that the notebook does not show it a second time by itself.
    The style is set for the rest of the process, because matplotlib reads it again when a line or a text is added.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(_STYLE)
    matplotlib.rcParams["axes.prop_cycle"] = cycler(color=COLOURS)
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, cols, **subplots_kw)


def label_lines(ax: Axes, lines: Iterable[Line2D] | None = None, gap: float = 1.25) -> None:
    """Write each line's label at its right end, in its own colour, instead of a legend.

    Labels that would touch are pushed apart; `gap` is the least distance in letter heights. Call it when the axis
    limits are final. Lines without a label (or whose label starts with "_") get none.
    """
    import numpy as np
    from matplotlib.colors import to_rgb

    ax.get_xlim(), ax.get_ylim()  # matplotlib computes pending limits when they are read
    entries = []
    for line in ax.lines if lines is None else lines:
        label = str(line.get_label())
        points = np.asarray(line.get_xydata())
        points = points[np.isfinite(points).all(axis=1)]
        if label and not label.startswith("_") and len(points):
            entries.append((ax.transData.transform(points[points[:, 0].argmax()])[1], line, label))
    entries.sort(key=lambda entry: entry[0])
    size = 12
    step = gap * size * ax.figure.dpi / 72
    heights = [entry[0] for entry in entries]
    for _ in range(50):  # neighbours push each other apart by half of what is missing until all have room
        for low in range(len(heights) - 1):
            missing = step - (heights[low + 1] - heights[low])
            if missing > 0.01:
                heights[low] -= missing / 2
                heights[low + 1] += missing / 2
    for height, (_, line, label) in zip(heights, entries, strict=True):
        ax.annotate(
            label,
            xy=(1.0, ax.transAxes.inverted().transform((0, height))[1]),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            # Orange and sky blue are too pale for letters on white; a third of black makes them readable.
            color=[0.68 * part for part in to_rgb(line.get_color())],
            annotation_clip=False,
        )


class Picture:
    """A figure with its caption; the last expression of a cell shows the picture and the words below it.

    fig: a matplotlib figure (from `figure()`), caption: what it shows, in words (ValueError when it is empty).
    measured=True: the figure shows measured values, so that the digest keeps titles, axes and labels (numbers in them
    masked) and leaves the data out; otherwise it also holds the numbers drawn, of many their count, range and mean.
    """

    def __init__(self, fig: Figure, caption: str, *, measured: bool = False) -> None:
        if not isinstance(caption, str) or not caption.strip():
            raise ValueError(
                "A picture needs a caption: pass one or two sentences that say what the figure shows, "
                "for readers who cannot see it."
            )
        if not hasattr(fig, "savefig"):
            raise ValueError(
                f"Picture shows a matplotlib figure, and this is a {type(fig).__name__}: pass the `fig` of "
                "`fig, ax = lab.figure()`."
            )
        self.fig = fig
        self.caption = " ".join(caption.split())
        self.measured = measured

    def __repr__(self) -> str:
        return self.caption

    def save(self, path: str | Path) -> Path:
        """Write the figure to a file; the ending (.png, .svg, .pdf) chooses the format. Returns the path."""
        path = Path(path)
        if path.suffix == ".png":
            path.write_bytes(self.png())
        else:
            self.fig.savefig(path)
        return path

    def png(self) -> bytes:
        """The figure as PNG, at most 60 kB so that notebooks stay small; fewer colours, then fewer dots, if it must."""
        for dpi, colours in ((DPI, 0), (DPI, 128), (DPI, 32), (80, 32), (60, 16)):
            data = self._render(dpi, colours)
            if len(data) <= MAX_PNG_BYTES:
                return data
        raise ValueError(
            f"The picture needs {len(data):,} bytes and a notebook's picture has at most {MAX_PNG_BYTES:,}: "
            "draw fewer points, or show the image at a lower resolution."
        )

    def _render(self, dpi: int, colours: int) -> bytes:
        buffer = io.BytesIO()
        self.fig.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        if colours:
            from PIL import Image

            image = Image.open(buffer).convert("RGB").quantize(colours)
            buffer = io.BytesIO()
            image.save(buffer, format="png", optimize=True)
        return buffer.getvalue()

    def digest(self) -> dict[str, Any]:
        """What is drawn, as a small JSON object; equal for two runs that drew the same (to three digits)."""
        mask = _mask_numbers if self.measured else str
        axes = [_axes_digest(ax, mask, values=not self.measured) for ax in self.fig.axes]
        return {"version": 1, "size": [_round(side) for side in self.fig.get_size_inches()], "axes": axes}

    def _ipython_display_(self) -> None:
        # Two outputs from one object: the picture (PNG and digest in one bundle), then its words as Markdown.
        from IPython.display import display

        bundle = {"text/plain": self.caption, "image/png": base64.b64encode(self.png()).decode(), MIME: self.digest()}
        display(bundle, raw=True, metadata={"image/png": {"alt": self.caption}})
        display({"text/plain": self.caption, "text/markdown": f"*Figure.* {self.caption}"}, raw=True)


def _mask_numbers(text: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", str(text))


def _round(value: Any, digits: int = 3) -> float | None:
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return float(f"{number:.{digits}g}") + 0.0  # + 0.0 turns -0.0 into 0.0


def _stats(values: Any) -> list[float | None]:
    """Up to 12 numbers as they are; of more, [count, first, lowest, mean, highest, last] of the finite ones.

    First and last tell a curve from its mirror image. The mean of values that cancel is noise: it counts as 0.
    """
    import numpy as np

    array: Any = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    if array.size <= 12:
        return [_round(value) for value in array]
    array = array[np.isfinite(array)]
    if not array.size:
        return [0]
    mean = 0.0 if abs(array.mean()) < 1e-6 * np.abs(array).max() else array.mean()
    return [array.size, *map(_round, (array[0], array.min(), mean, array.max(), array[-1]))]


def _axes_digest(ax: Axes, mask: Any, values: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": mask(ax.get_title("left") or ax.get_title()),
        "x": [mask(ax.get_xlabel()), ax.get_xscale()],
        "y": [mask(ax.get_ylabel()), ax.get_yscale()],
        "labels": [mask(label) for label in ax.get_legend_handles_labels()[1]],
        "texts": [mask(text.get_text()) for text in ax.texts],
        "ticks": [mask(text) for axis in (ax.xaxis, ax.yaxis) for text in _named_ticks(axis)],
    }
    if not values:
        return found | {"kinds": [bool(ax.lines), bool(ax.patches), bool(ax.collections), bool(ax.images)]}
    boxes = [patch.get_extents().transformed(ax.transData.inverted()).extents for patch in ax.patches]
    return found | {
        "lines": [[_stats(line.get_xdata(orig=False)), _stats(line.get_ydata(orig=False))] for line in ax.lines],
        "patches": [_stats([box[side] for box in boxes]) for side in range(4)] if boxes else [],
        "collections": [_collection_stats(collection) for collection in ax.collections],
        "images": [_image_stats(image) for image in ax.images],
    }


def _named_ticks(axis: Any) -> list[str]:
    """Tick labels that are words (bars, lanes); those that matplotlib computes from the data range are left out."""
    from matplotlib.category import StrCategoryFormatter
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    if isinstance(axis.get_major_formatter(), (StrCategoryFormatter, FixedFormatter, FuncFormatter)):
        return [label.get_text() for label in axis.get_ticklabels() if label.get_text()]
    return []


def _image_stats(image: Any) -> list:
    pixels = image.get_array()
    return [*pixels.shape, _stats(pixels)]


def _collection_stats(collection: Any) -> list:
    import numpy as np

    vertices = [path.vertices for path in collection.get_paths()]
    points = np.concatenate(vertices) if vertices else np.zeros((0, 2))
    offsets: Any = np.ma.filled(np.ma.asarray(collection.get_offsets(), dtype=float), np.nan).reshape(-1, 2)
    colours = collection.get_array()
    parts = [points[:, 0], points[:, 1], offsets[:, 0], offsets[:, 1]]
    return [_stats(part) for part in parts] + ([] if colours is None else [_stats(colours)])
