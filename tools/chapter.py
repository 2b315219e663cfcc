"""Where everything that concerns one chapter lies, read from the curriculum: `make test NB=06` takes it from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.storing import ROOT

CURRICULUM = Path("course_lib/bank/curriculum.yaml")


@dataclass(frozen=True)
class Laid:
    """One chapter of the curriculum and its files, given from the project's root.

    number: two digits, "06"; title: "data parallel"; part: "2_parallelism".
    """

    number: str
    title: str
    part: str

    @property
    def stem(self) -> str:
        """The name that its files share: 06_data_parallel."""
        return f"{self.number}_{self.title.replace(' ', '_')}"

    @property
    def notebook(self) -> Path:
        """Its notebook; the first and the last chapter lie beside the parts."""
        folder = Path("notebooks") if self.part == "0_start" else Path("notebooks") / self.part
        return folder / f"{self.stem}.ipynb"

    @property
    def mutants(self) -> Path:
        """Its list of one-line changes that its cells must notice."""
        return Path("tests/mutants") / f"{self.stem}.yaml"

    @property
    def exercises(self) -> Path:
        """The folder of its exercises."""
        return Path("course_lib/exercises") / f"ch{self.stem}"

    def missing(self, root: Path = ROOT) -> list[str]:
        """Name what the chapter must have and has not."""
        return [path.as_posix() for path in (self.notebook, self.mutants) if not (root / path).is_file()]

    def begun(self, root: Path = ROOT) -> bool:
        """Whether anything of the chapter is there."""
        return any((root / path).exists() for path in (self.notebook, self.mutants, self.exercises))

    def python_files(self, root: Path = ROOT) -> list[Path]:
        """Files of the chapter that the lint reads: notebook, exercises, tests named after it."""
        named = re.compile(rf"(^|/)(test_|ch)?{self.number}_")
        own = [path for path in (root / "tests").rglob("*.py") if named.search(path.relative_to(root).as_posix())]
        return [path for path in (root / self.notebook, root / self.exercises, *sorted(own)) if path.exists()]


def every(root: Path = ROOT) -> dict[str, Laid]:
    """Return the curriculum's chapters by number, in its order."""
    parts = yaml.safe_load((root / CURRICULUM).read_text(encoding="utf-8"))
    return {number: Laid(number, title, part) for part, chapters in parts.items() for number, title in chapters.items()}


def chapter(wanted: str, root: Path = ROOT) -> Laid:
    """Return the chapter with this number ("6" or "06"), or name its notebook's stem.

    Raises:
        ValueError: The curriculum has no such chapter; says which there are.
    """
    found = every(root)
    number = wanted.strip().split("_")[0].zfill(2)
    if number not in found:
        raise ValueError(f"There is no chapter {wanted!r}: the curriculum has {min(found)} to {max(found)}.")
    return found[number]


def whole(wanted: str, root: Path = ROOT) -> Laid:
    """Return a chapter that is there with all that it must have.

    Raises:
        ValueError: No such chapter, a planned one, or one that is half laid; says what is missing.
    """
    one = chapter(wanted, root)
    name = f"Chapter {one.number} ({one.title})"
    if not one.begun(root):
        raise ValueError(
            f"{name} is planned and has no files yet: `python -m tools.new_chapter {one.number}` begins it."
        )
    if lacking := one.missing(root):
        raise ValueError(f"{name} is half laid: it lacks {' and '.join(lacking)}.")
    return one
