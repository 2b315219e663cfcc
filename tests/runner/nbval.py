"""One nbval run over notebooks in a cut network: `python -m tests.runner.nbval [--lax] --out DIR NOTEBOOK...`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.network import cut

CELL_TIMEOUT_S = 120


def main(argv: list[str] | None = None) -> int:
    """Run the notebooks; write notebooks.xml, notebooks.json, network.txt and executed/ into --out."""
    parser = argparse.ArgumentParser(prog="python -m tests.runner.nbval", description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lax", action="store_true")
    parser.add_argument("--cell-timeout", type=float, default=CELL_TIMEOUT_S, help="seconds")
    parser.add_argument("--patience", type=float, default=10, help="seconds that processes may outlive their kernel")
    parser.add_argument("--first-failure", action="store_true", help="stop at the first cell that fails")
    parser.add_argument("--guard", action="store_true", help="use the socket guard even where namespaces are allowed")
    args = parser.parse_args(argv)

    args.out.mkdir(parents=True, exist_ok=True)
    how = cut(namespaces=not args.guard)  # before any import that starts a thread
    (args.out / "network.txt").write_text(how)
    print(f"Network: {how}.", flush=True)

    import pytest

    from tests.runner.plugin import Watch

    options = ["--nbval-lax" if args.lax else "--nbval", "--nbval-current-env"]
    options += [f"--nbval-cell-timeout={args.cell_timeout}", f"--junitxml={args.out / 'notebooks.xml'}"]
    # No plugin that happens to be installed, and neither the options nor the conftest files of the unit tests.
    options += ["--disable-plugin-autoload", "-p", "nbval.plugin"]
    options += ["-p", "no:cacheprovider", "--noconftest", "-c", "/dev/null", "-q", "--color=no"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # the plugin imports nbval before pytest does
    options += ["-x"] if args.first_failure else []
    options += [f"--rootdir={os.path.commonpath([path.resolve().parent for path in args.notebooks])}"]
    watch = Watch(args.out / "notebooks.json", args.out / "executed", args.patience)
    return int(pytest.main([*options, *map(str, args.notebooks)], plugins=[watch]))


if __name__ == "__main__":
    sys.exit(main())
