"""A picture carries its words and a digest: equal for equal drawings, different for any other drawing."""

import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from PIL import Image

from course_lib.lab import figures
from course_lib.lab.figures import MIME, Picture, figure

ROOT = Path(__file__).parents[2]


def drawn(scale=1.0, title="Bytes per link", kind="line", measured=False):
    fig, ax = figure()
    x = np.arange(1, 6)
    if kind == "line":
        ax.plot(x, scale * x, label="measured")
    elif kind == "bar":
        ax.bar(["ring", "tree"], [scale, 2 * scale])
    elif kind == "lanes":
        ax.broken_barh([(0, scale), (3, 1)], (0, 0.8))
    elif kind == "scatter":
        ax.scatter(x, scale * x)
    else:
        ax.imshow(scale * np.eye(3))
    ax.set(title=title, xlabel="ranks", ylabel="MB")
    return Picture(fig, "Bytes grow with the ranks.", measured=measured)


@pytest.mark.parametrize("caption", ["", "   ", None])
def test_a_caption_is_needed(caption):
    with pytest.raises(ValueError, match="needs a caption"):
        Picture(figure()[0], caption)


def test_something_else_than_a_figure_is_named():
    with pytest.raises(ValueError, match="this is a list"):
        Picture([1, 2], "words")


@pytest.mark.parametrize("kind", ["line", "bar", "lanes", "scatter", "image"])
def test_the_digest_tells_drawings_apart(kind):
    digest = drawn(kind=kind).digest()
    assert digest == drawn(kind=kind).digest()
    assert digest != drawn(kind=kind, scale=1.02).digest()
    assert digest != drawn(kind=kind, title="Bytes").digest()
    assert digest == json.loads(json.dumps(digest, allow_nan=False))


def test_the_digest_tells_a_long_curve_from_its_mirror_image():
    def curve(step):
        fig, ax = figure()
        ax.plot(np.arange(100), np.arange(100)[::step])
        return Picture(fig, "A curve.").digest()

    assert curve(1) == curve(1)
    assert curve(1) != curve(-1)


def test_the_digest_ignores_noise_below_three_digits():
    assert drawn(scale=1.0).digest() == drawn(scale=1.0001).digest()


def test_the_digest_holds_the_words_of_bars():
    assert drawn(kind="bar").digest()["axes"][0]["ticks"] == ["ring", "tree"]


def test_a_measured_picture_keeps_its_structure_only():
    digest = drawn(scale=1.0, title="12.5 ms", measured=True).digest()
    assert digest == drawn(scale=2.0, title="7.25 ms", measured=True).digest()
    assert digest["axes"][0]["title"] == "# ms"
    assert digest != drawn(title="12.5 s", measured=True).digest()
    assert digest != drawn(title="12.5 ms", measured=True, kind="bar").digest()
    assert drawn(measured=True, kind="scatter").digest() != drawn(measured=True, kind="image").digest()


def test_the_card_is_white_so_that_it_reads_on_a_dark_page():
    image = Image.open(io.BytesIO(drawn().png())).convert("RGBA")
    assert image.getpixel((0, 0)) == image.getpixel((image.width - 1, image.height - 1)) == (255, 255, 255, 255)
    assert image.width == pytest.approx(7 * figures.DPI, abs=1)


def test_letters_stay_readable_at_400_pixels():
    fig, ax = figure()
    ax.set(title="t", xlabel="x", ylabel="y")
    for text in [ax.title, ax.xaxis.label, *ax.get_xticklabels(), ax.annotate("a", (0, 0))]:
        assert text.get_fontsize() / 72 * 400 / fig.get_size_inches()[0] >= 9


def test_a_noisy_image_still_fits():
    fig, ax = figure()
    ax.imshow(np.random.default_rng(0).random((40, 40, 3)), interpolation="bilinear")
    fig_plain, ax_plain = figure(height=6)
    ax_plain.imshow(np.random.default_rng(0).random((300, 300)))
    for picture in (Picture(fig, "noise"), Picture(fig_plain, "more noise")):
        assert len(picture.png()) <= figures.MAX_PNG_BYTES


def test_what_cannot_fit_is_refused(monkeypatch):
    monkeypatch.setattr(figures, "MAX_PNG_BYTES", 2000)
    with pytest.raises(ValueError, match="draw fewer points"):
        drawn().png()


def test_save_without_a_notebook(tmp_path):
    for ending in ("png", "svg"):
        path = drawn().save(tmp_path / f"picture.{ending}")
        assert path.stat().st_size > 1000


def test_direct_labels_do_not_touch():
    fig, ax = figure()
    for i in range(4):
        ax.plot([0, 1], [0, 1 + 0.01 * i], label=f"line {i}")
    ax.plot([0, 1], [0, 0], label="_hidden")
    figures.label_lines(ax)
    Picture(fig, "Four lines.").png()
    boxes = sorted(text.get_window_extent().extents.tolist() for text in ax.texts)
    tops = sorted((low, high) for _, low, _, high in boxes)
    assert len(tops) == 4
    assert all(ax.bbox.y0 < low and high < ax.bbox.y1 + 40 for low, high in tops)
    assert all(low >= high for (_, high), (low, _) in itertools.pairwise(tops))


def test_label_colours_are_readable_on_white():
    _, ax = figure()
    for i in range(len(figures.COLOURS)):
        ax.plot([0, 1], [0, i], label=str(i))
    figures.label_lines(ax)
    for text in ax.texts:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(text.get_color())]
        luminance = np.dot(linear, [0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) >= 3, text.get_color()


CELL = """
from course_lib.lab.figures import figure, Picture
fig, ax = figure()
ax.plot([1, 2, 3], [1, {top}, 9], label="squares")
ax.set(xlabel="n", ylabel="n squared")
Picture(fig, "Squares grow.")
"""


@pytest.fixture(scope="module")
def notebook():
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.format(top=4))])
    NotebookClient(book, timeout=120, kernel_name="python3").execute(cwd=str(ROOT))
    return book


def test_the_bundle_in_a_real_kernel(notebook):
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data", "display_data"]
    picture, words = outputs
    assert set(picture.data) == {"text/plain", "image/png", MIME}
    assert picture.metadata["image/png"]["alt"] == picture.data["text/plain"] == "Squares grow."
    assert words.data["text/markdown"].endswith("Squares grow.")


@pytest.mark.parametrize(("top", "verdict"), [(4, "1 passed"), (5, "1 failed")])
def test_nbval_accepts_the_same_drawing_and_rejects_another(notebook, tmp_path, top, verdict):
    book = nbformat.from_dict(notebook)
    book.cells[0].source = CELL.format(top=top)
    nbformat.write(book, tmp_path / "book.ipynb")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--nbval",
            "--nbval-current-env",
            "book.ipynb",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert verdict in run.stdout, run.stdout[-2000:]
