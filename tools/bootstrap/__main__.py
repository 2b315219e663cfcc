"""Bring .venv to the state of the lock, or fill a wheelhouse: `python -m tools.bootstrap`, from the course's folder."""

import argparse
import sys
import time
from pathlib import Path
from typing import IO, List, Optional

from tools.bootstrap import torch_build, wheelhouse
from tools.bootstrap.install import install
from tools.bootstrap.state import alone, count_pins, pins, plan, stamped_build, too_old
from tools.bootstrap.words import SetupError, explain

ROOT = Path(__file__).resolve().parent.parent.parent


def set_up(
    root: Path,
    asked: bool,
    out: IO[str],
    python: Optional[str] = None,
    torch: Optional[str] = None,
    wheels: Optional[Path] = None,
) -> None:
    """Bring `root`/.venv to the state of the lock; raise SetupError with one sentence where that cannot be.

    asked: the reader named the running Python. torch: the build that the reader named, "cpu" or "cuda".
    wheels: a folder to install from, instead of the indexes that pip is configured with.
    """
    todo = plan(root, tuple(sys.version_info[:3]), asked, torch)
    if todo == "nothing":
        return
    if todo == "foreign":
        raise SetupError(
            "There is a .venv here that the course did not make: move it away, "
            "or use it as it is with .venv/bin/pip install -e . and .venv/bin/course lab."
        )
    if todo == "create":
        old = too_old(tuple(sys.version_info[:3]))
        if old:
            raise SetupError(old)
    stamped = stamped_build(root) if todo == "update" else None
    if wheels is None:
        build = torch_build.choose(torch, stamped)
    else:
        wheelhouse.check(wheels, pins(root))
        build = wheelhouse.build_in(wheels)
    out.write(announcement(todo, build, torch, count_pins(pins(root)), wheels) + "\n")
    out.flush()
    begin = time.time()
    # The base Python: when this runs in .venv itself, sys.executable goes with the old .venv.
    base = python or getattr(sys, "_base_executable", None) or sys.executable
    install(root, todo == "create", base, out, build, wheels)
    size = sum(p.stat().st_size for p in (root / ".venv").rglob("*") if p.is_file() and not p.is_symlink())
    out.write("Set up in %.0f s, %.0f MB in .venv.\n" % (time.time() - begin, size / 1e6))
    out.flush()


def announcement(todo: str, build: str, asked: Optional[str], total: int, wheels: Optional[Path]) -> str:
    """Say before anything is fetched what it will be and how large."""
    if wheels is not None:
        return "Setting up .venv with %d pinned packages from %s, without a network." % (total, wheels)
    if todo == "update":
        return "The course's requirements have changed: fetching what is new of %d packages into .venv." % total
    return (
        "Setting up .venv, once: %s and %d other pinned packages, up to %s; what a cache holds is not fetched again."
        % (
            torch_build.reason(build, asked),
            total - 1,
            torch_build.cost(build),
        )
    )


def main(argv: Optional[List[str]] = None) -> int:
    """Set up .venv beside this file's folder; print one sentence and return 1 where that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m tools.bootstrap", description="Make .venv from the lock.")
    parser.add_argument("--asked", action="store_true", help="the reader named this Python: rebuild a .venv of another")
    parser.add_argument("--torch", metavar="BUILD", help="cpu or cuda; left out, by whether a GPU is seen")
    parser.add_argument("--wheels", metavar="DIR", help="install from this folder, without a network")
    parser.add_argument("--wheelhouse", action="store_true", help="then fill wheelhouse/ with the wheels of the lock")
    args = parser.parse_args(argv)
    try:
        if sys.platform == "win32":
            raise SetupError("On Windows the course runs inside WSL: install it with wsl --install and clone it there.")
        if args.torch not in (None, "", *torch_build.CHOICES):
            raise SetupError("TORCH=%s is no build of torch: name cpu or cuda, or leave it out." % args.torch)
        if args.torch and sys.platform != "linux":
            raise SetupError("For macOS there is one build of torch: leave TORCH out.")
        wheels = Path(args.wheels) if args.wheels else None
        with alone(ROOT, sys.stderr):
            set_up(ROOT, args.asked, sys.stderr, torch=args.torch or None, wheels=wheels)
            if args.wheelhouse:
                number, size = wheelhouse.make(ROOT, sys.stderr)
                sys.stderr.write("wheelhouse/ holds %d wheels, %.0f MB, " % (number, size / 1e6))
                sys.stderr.write("for %s: copy it, and run make lab WHEELS=wheelhouse there.\n" % wheelhouse.here())
    except SetupError as error:
        sys.stderr.write("%s\n" % error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("The set-up was stopped; the next run repairs it.\n")
        return 130
    except OSError as error:
        known = explain(str(error)) or "of a file: %s; repair or remove it and run it again." % error
        sys.stderr.write("The set-up stopped because %s\n" % known)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
