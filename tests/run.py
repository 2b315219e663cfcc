"""Run everything that must hold: lint, unit tests, every notebook by nbval. `make test` calls `python -m tests.run`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from course_lib.practice.desk.place import is_planned
from tests import longer_course
from tests.runner import costs, stages
from tests.runner.table import table
from tools.chapter import whole
from tools.storing import ROOT, chapter_files, environment


def main(argv: list[str] | None = None) -> int:
    """Run the chosen stages and print the table; return 0 when all of them held."""
    args = _parse(argv)
    root = args.root.resolve()
    out = (args.junit or root / "build" / "test").resolve()
    out.mkdir(parents=True, exist_ok=True)
    chosen = {name for name in ("lint", "unit", "notebooks") if getattr(args, name)}
    chosen = chosen or ({"notebooks"} if args.gpu else {"lint", "unit", "notebooks"})
    one = None
    try:
        one = whole(args.chapter, root) if args.chapter else None
        files = [root / one.notebook] if one else chapter_files(["all"], root)
    except ValueError as problem:
        if args.chapter:
            print(problem, file=sys.stderr)
            return 2
        files = []
    if one and is_planned(files[0]):
        print(f"Chapter {one.number} is planned: its notebook is not run before its metadata drops `status`.")
        chosen.discard("notebooks")
    began = time.monotonic()
    done: list[stages.Stage] = []
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as scratch:
        env = environment(Path(scratch), gpu=args.gpu)
        if args.gpu and not stages.has_accelerator(env):
            print("torch sees no accelerator here: run `make test` instead, or install torch's wheel for this GPU.")
            return 2
        if "lint" in chosen:
            done.append(stages.lint(root, env, one.python_files(root) if one else []))
        if "unit" in chosen:
            done.append(stages.unit(root, env, out, one.number if one else None))
        if "notebooks" in chosen:
            strict, said = stages.how_strict(args.gpu, args.lax, here=args.python)
            if strict and args.longer and one is None:
                # Kernels, and the ranks that they start, import the copy.
                copy = longer_course.lay(Path(scratch) / "longer")
                env["PYTHONPATH"] = os.pathsep.join([str(copy), *filter(None, [env.get("PYTHONPATH")])])
                files = [copy / path.relative_to(root) for path in files]
                said += f" in a copy of the course that has one more chapter ({longer_course.ADDED})"
            done.append(stages.notebooks(root, env, out, files, strict=strict, said=said))
    if one is None and {"unit", "notebooks"} <= chosen:
        done[-1].notes += costs.lines(done, out / "unit.xml", time.monotonic() - began)
    report(done)
    return 0 if all(stage.ok for stage in done) else 1


def report(done: list[stages.Stage]) -> None:
    """Print the table, a line per stage, and as the last line how many tests and cells passed and failed."""
    print("\n== Summary")
    for stage in done:
        if stage.rows:
            print(table(stage.rows))
        for note in stage.notes:
            print(note)
    for stage in done:
        print(stage.line)
    passed = sum(stage.passed for stage in done)
    failed = sum(stage.failed or (not stage.ok) for stage in done)
    print(f"{passed} passed, {failed} failed", flush=True)


def version(text: str) -> tuple[int, ...]:
    """Read "3.12" as (3, 12)."""
    return tuple(map(int, text.split(".")))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("--lint", action="store_true", help="only the lint")
    parser.add_argument("--unit", action="store_true", help="only the unit tests")
    parser.add_argument("--notebooks", action="store_true", help="only the notebooks")
    parser.add_argument("--chapter", help="only what concerns this chapter: its number, 06")
    parser.add_argument("--gpu", action="store_true", help="the notebooks with accelerators, outputs not compared")
    parser.add_argument("--lax", action="store_true", help="outputs not compared, as on a Python other than 3.11")
    parser.add_argument(
        "--longer", action="store_true", help="the notebooks of a copy with one more chapter, which must change none"
    )
    parser.add_argument(
        "--python", type=version, default=stages.HERE, metavar="3.N", help="treat outputs as on this Python (this one)"
    )
    parser.add_argument("--junit", type=Path, metavar="DIR", help="where reports go (build/test)")
    parser.add_argument("--root", type=Path, default=ROOT, help="another project folder, for tests of this command")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
