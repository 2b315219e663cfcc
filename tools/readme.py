"""Take the README's map from the curriculum, its picture and words from chapter 06: `python -m tools.readme`.

The picture is the stored output of the cell tagged `readme-picture`; the README shows it with the caption that the
notebook gives it, so the two cannot tell different stories.
"""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import nbformat

from tools.chapter import every
from tools.storing import ROOT, chapter_files

MAP = re.compile(r"\| part \| chapters \| there now \|\n(?:\|.*\|\n)+")
NAMES = {"kv": "KV", "shap": "SHAP", "lime": "LIME"}
NOTEBOOK = Path("notebooks/2_parallelism/06_data_parallel.ipynb")
PICTURE = Path("docs/chapter06.png")
TAG = "readme-picture"
SHOWN = re.compile(r"!\[[^\]]*\]\(docs/chapter06\.png\)\n\n\*From chapter 06: [^\n]*\*")


def stored_picture(root: Path = ROOT) -> tuple[bytes, str]:
    """The PNG and the caption of the tagged cell. ValueError where the notebook has no such output."""
    for cell in nbformat.read(root / NOTEBOOK, as_version=4).cells:
        if TAG not in cell.metadata.get("tags", []):
            continue
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"]), output.metadata["image/png"]["alt"]
    raise ValueError(f"{NOTEBOOK} stores no picture in a cell tagged {TAG}: run `make outputs NB=06`.")


def lines(caption: str) -> str:
    """What the README says where the picture stands."""
    return f"![{caption}]({PICTURE.as_posix()})\n\n*From chapter 06: {caption}*"


def course_map(root: Path = ROOT) -> str:
    """The table of parts and chapters, with those that are there: a chapter that is only planned is not."""
    chapters, there = every(root), {path.stem[:2] for path in chapter_files(["all"], root)}
    rows = ["| part | chapters | there now |", "|---|---|---|"]
    for part in dict.fromkeys(one.part for one in chapters.values()):
        inside = [one for one in chapters.values() if one.part == part]
        number, _, name = part.partition("_")
        titles = " · ".join(f"{one.number} {' '.join(NAMES.get(w, w) for w in one.title.split())}" for one in inside)
        here = ", ".join(one.number for one in inside if one.number in there)
        rows.append(f"| {number} {name.capitalize()} | {titles} | {here}{' ' * bool(here)}|")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write the map, the picture and the README's words for it."""
    png, caption = stored_picture()
    (ROOT / PICTURE).parent.mkdir(exist_ok=True)
    (ROOT / PICTURE).write_bytes(png)
    readme = ROOT / "README.md"
    text, found = SHOWN.subn(lambda _: lines(caption), readme.read_text(encoding="utf-8"))
    if not found:
        print(f"README.md does not show {PICTURE}: put `![…]({PICTURE})` and the caption back.", file=sys.stderr)
        return 1
    text, found = MAP.subn(lambda _: course_map(), text)
    if not found:
        print("README.md has no map: put the table `| part | chapters | there now |` back.", file=sys.stderr)
        return 1
    readme.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
