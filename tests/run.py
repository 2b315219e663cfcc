"""Run everything that must hold: lint, unit tests, every notebook by nbval. `make test` calls `python -m tests.run`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.runner import stages
from tests.runner.table import table
from tools.storing import ROOT, chapter_files, environment


def main(argv: list[str] | None = None) -> int:
    """Run the chosen stages and print the table; return 0 when all of them held."""
    args = _parse(argv)
    root = args.root.resolve()
    out = (args.junit or root / "build" / "test").resolve()
    out.mkdir(parents=True, exist_ok=True)
    chosen = {name for name in ("lint", "unit", "notebooks") if getattr(args, name)}
    if args.chapter or (args.gpu and not chosen):
        chosen.add("notebooks")
    chosen = chosen or {"lint", "unit", "notebooks"}
    try:
        files = chapter_files([args.chapter] if args.chapter else ["all"], root)
    except ValueError as problem:
        if args.chapter:
            print(problem, file=sys.stderr)
            return 2
        files = []
    done: list[stages.Stage] = []
    with tempfile.TemporaryDirectory(prefix="course-test-", ignore_cleanup_errors=True) as scratch:
        env = environment(Path(scratch), gpu=args.gpu)
        if args.gpu and not stages.has_accelerator(env):
            print("torch sees no accelerator here: run `make test` instead, or install torch's wheel for this GPU.")
            return 2
        if "lint" in chosen:
            done.append(stages.lint(root, env))
        if "unit" in chosen:
            done.append(stages.unit(root, env, out))
        if "notebooks" in chosen:
            strict, said = stages.how_strict(args.gpu, args.lax)
            done.append(stages.notebooks(root, env, out, files, strict=strict, said=said))
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


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("--lint", action="store_true", help="only the lint")
    parser.add_argument("--unit", action="store_true", help="only the unit tests")
    parser.add_argument("--notebooks", action="store_true", help="only the notebooks")
    parser.add_argument("--chapter", help="only this notebook: its number (06) or its path")
    parser.add_argument("--gpu", action="store_true", help="the notebooks with accelerators, outputs not compared")
    parser.add_argument("--lax", action="store_true", help="outputs not compared, as on a Python other than 3.11")
    parser.add_argument("--junit", type=Path, metavar="DIR", help="where reports go (build/test)")
    parser.add_argument("--root", type=Path, default=ROOT, help="another project folder, for tests of this command")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
