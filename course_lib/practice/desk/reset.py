"""`course reset 06`: begin a chapter again; the reader's copy is kept beside it under a dated name."""

from __future__ import annotations

import argparse
from pathlib import Path

from course_lib.practice.desk import place, workspace
from course_lib.practice.desk.place import CourseError


def main(argv: list[str]) -> int:
    """Run `course reset CHAPTER`."""
    parser = argparse.ArgumentParser(prog="course reset", description=__doc__)
    parser.add_argument("chapter", metavar="CHAPTER", help="the chapter's number: 06")
    parser.add_argument("--work", metavar="DIR", help="your workspace (work/ in the clone)")
    args = parser.parse_args(argv)
    source, folder = place.notebooks(), place.workspace(args.work)
    name = find(args.chapter, source)
    kept = workspace.reset(source, folder, name)
    print(f"{name} in {folder} is as the course lays it out, outputs cleared.")
    if kept is not None:
        print(f"Your copy is kept as {kept}. Your progress is as it was.")
    return 0


def find(chapter: str, source: Path) -> str:
    """Return the notebook of a chapter given as 6, 06, 06_data_parallel or a path, relative to `source`.

    Raises CourseError with the chapters that there are.
    """
    names = [path.relative_to(source).as_posix() for path in workspace.course_files(source) if path.suffix == ".ipynb"]
    wanted = Path(chapter).name.removesuffix(".ipynb")
    for name in names:
        stem = Path(name).stem
        if stem == wanted or (wanted and stem.partition("_")[0] == wanted.zfill(2)):
            return name
    numbers = ", ".join(sorted(Path(name).stem.partition("_")[0] for name in names))
    raise CourseError(f"There is no chapter {chapter!r} in this version of the course: it has {numbers}.")
