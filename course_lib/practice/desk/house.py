"""Facts of this course for the command line and the start page: its doctor and its chapters."""

import json
from dataclasses import dataclass
from pathlib import Path

from course_lib.lab.doctor import Findings, findings
from course_lib.practice.desk import place
from course_lib.practice.desk.workspace import changed_by_reader


@dataclass(frozen=True)
class Chapter:
    """A notebook of the course. name: its path; title: its first heading; state: how the reader's copy stands to it."""

    name: str
    title: str
    state: str


def doctor(work: str | None = None) -> Findings:
    """Look at this machine with the course's lock and the reader's workspace; shows itself as a table in a notebook."""
    return findings(requirements=place.lock(), workspace=place.workspace(work))


def chapters(workspace: Path) -> list[Chapter]:
    """Return the notebooks of this version of the course in reading order, with the state of the copies."""
    source = place.notebooks()
    return [Chapter(name.as_posix(), _title(source / name), _state(workspace, name.as_posix())) for name in notebooks()]


def notebooks() -> list[Path]:
    """Return the paths of the notebooks inside their folder, in reading order, without those that are only planned.

    CourseError where there is no folder of notebooks.
    """
    source = place.notebooks()
    paths = [path for path in source.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    names = [path.relative_to(source) for path in paths if not place.is_planned(path)]
    return sorted(names, key=lambda name: name.name)


def written() -> frozenset[str]:
    """Return the numbers of the chapters that a reader can open, "06"; those that are only planned are not among them.

    CourseError where there is no folder of notebooks.
    """
    return frozenset(path.name[:2] for path in notebooks())


def _title(notebook: Path) -> str:
    for cell in json.loads(notebook.read_bytes())["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return notebook.stem


def _state(workspace: Path, name: str) -> str:
    if not (workspace / name).is_file():
        return "not yet laid out"
    return "changed by you" if changed_by_reader(workspace, name) else "as laid out"
