"""Measure what the course promises about its own speed and print the ratios: `python -m tools.bench`.

Every row compares two things that were measured next to each other on this machine; absolute seconds are shown for
orientation only. The exit status is 0 unless a measurement could not be made; `--strict` makes a missed target fail.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "notebooks" / "2_parallelism" / "06_data_parallel.ipynb"


@dataclass(frozen=True)
class Result:
    """One row: what was compared, the figure, its target ("at least" or "at most"), and the seconds behind it."""

    what: str
    figure: float
    relation: str
    target: float
    detail: str

    @property
    def met(self) -> bool:
        """Whether the figure keeps the target."""
        return self.figure >= self.target if self.relation == "at least" else self.figure <= self.target


def seconds_of(command: list[str]) -> float:
    """Wall seconds of one command that must succeed."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def gang_against_torchrun() -> Result:
    """A warm 4-rank run against torchrun of the same function."""
    from course_lib.lab import Gang
    from tools.bench.jobs import one_ddp_step

    def cell() -> float:
        start = time.perf_counter()  # around the whole call: bringing the ranks up is part of what the reader waits for
        gang.run(one_ddp_step)
        return time.perf_counter() - start

    gang = Gang(4)
    cell()
    warm = statistics.median(cell() for _ in range(7))
    job = ["-m", "course_lib", "run", "tools.bench.jobs:one_ddp_step", "--nproc-per-node", "4"]
    cold = statistics.median(seconds_of([sys.executable, *job]) for _ in range(3))
    return Result("torchrun / warm gang, 4 ranks", cold / warm, "at least", 30, f"{cold:.2f} s / {warm:.3f} s")


def import_course_against_torch() -> Result:
    """`import course_lib` against `import torch`, both beyond a bare interpreter, each timed inside a fresh process."""

    def inside(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        return float(subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True).stdout)

    pairs = [(inside("course_lib"), inside("torch")) for _ in range(5)]
    ours, torchs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Result("import course_lib / import torch", ours / torchs, "at most", 0.05, f"{ours:.4f} s / {torchs:.2f} s")


def ring_of_the_notebook() -> Callable:
    """The ring all-reduce that chapter 06 defines, taken from its cell, not from a copy."""
    import torch
    import torch.distributed as dist

    cells = nbformat.read(CHAPTER, as_version=4).cells
    source = next(c.source for c in cells if "ring-all-reduce" in c.metadata.get("tags", []))
    namespace = {"torch": torch, "dist": dist}
    exec(compile(source, "chapter 06, ring cell", "exec"), namespace)
    return namespace["ring_all_reduce"]


def ring_against_gloo(world_size: int) -> Result:
    """The notebook's ring against gloo's own all_reduce of 16 MB, in alternation."""
    from course_lib.lab import Gang
    from tools.bench.jobs import alternate_all_reduces

    pairs = Gang(world_size).run(alternate_all_reduces, ring_of_the_notebook(), 4_000_000)[0]
    ratio = statistics.median(ring / gloo for ring, gloo in pairs)
    ring, gloo = (statistics.median(column) for column in zip(*pairs, strict=True))
    what = f"notebook's ring / gloo's all_reduce, 16 MB, {world_size} ranks"
    return Result(what, ratio, "at most", 2, f"{1e3 * ring:.1f} ms / {1e3 * gloo:.1f} ms")


def gpt_against_plain_layers() -> Result:
    """The small GPT's training step against the same layers from torch.nn, step by step in alternation."""
    import torch

    from course_lib.data.text import Corpus
    from course_lib.models.gpt import GPT, GPTConfig
    from course_lib.models.plain import PlainGPT, training_step

    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus = Corpus.load()
    ours = GPT(GPTConfig(vocab_size=corpus.vocab_size))
    plain = PlainGPT.like(ours)
    x, y = corpus.batch("train", 16, torch.Generator().manual_seed(0), ours.config.block_size)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    optimizers = {id(m): torch.optim.AdamW(m.parameters(), lr=1e-3) for m in (ours, plain)}
    for step in range(65):
        for name, model in (("ours", ours), ("plain", plain)):
            start = time.perf_counter()
            training_step(model, optimizers[id(model)], x, y)
            if step >= 5:
                seconds[name].append(time.perf_counter() - start)
    a, b = statistics.median(seconds["ours"]), statistics.median(seconds["plain"])
    return Result("GPT steps/s / plain torch.nn loop", b / a, "at least", 0.95, f"{1e3 * b:.1f} ms / {1e3 * a:.1f} ms")


def rank_memory() -> Result:
    """PSS of a rank of a 4-rank gang that runs no model."""
    from course_lib.lab import Gang
    from tools.bench.jobs import idle_after_import

    peak = Gang(4).run(idle_after_import).peak_memory
    heaviest = max(peak.values()) / 1e6
    return Result("PSS of a rank without a model (MB)", heaviest, "at most", 100, f"{len(peak)} ranks")


def as_plain_python(source: str) -> str:
    """A notebook cell as a script has it: a shell cell becomes a subprocess."""
    if source.startswith("%%bash"):
        return f"subprocess.run(['bash', '-c', {source.partition(chr(10))[2]!r}], check=True)"
    return source


def notebook_against_script() -> list[Result]:
    """Chapter 06 under nbval against its code as one plain script, and its seconds under nbval."""
    from tools.storing import environment

    cells = [c.source for c in nbformat.read(CHAPTER, as_version=4).cells if c.cell_type == "code"]
    code = "\n\n".join(["import subprocess", "from IPython.display import display", *map(as_plain_python, cells)])
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "chapter.py"
        script.write_text(code)
        env = environment(Path(folder))
        start = time.perf_counter()
        done = subprocess.run([sys.executable, script], cwd=CHAPTER.parent, env=env, capture_output=True, text=True)
        bare = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"Chapter 06 as a script failed:\n{done.stderr[-2000:]}")
        flags = ["--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider", "-q", str(CHAPTER)]
        nbval = seconds_of([sys.executable, "-m", "pytest", *flags])
    detail = f"{nbval:.1f} s / {bare:.1f} s"
    return [
        Result("chapter 06, nbval / bare script", nbval / bare, "at most", 1.2, detail),
        Result("chapter 06 under nbval (s, for orientation)", nbval, "at most", 60, "2 cores"),
    ]


MEASUREMENTS: dict[str, Callable[[], Result | list[Result]]] = {
    "gang": gang_against_torchrun,
    "import": import_course_against_torch,
    "ring2": lambda: ring_against_gloo(2),
    "ring4": lambda: ring_against_gloo(4),
    "gpt": gpt_against_plain_layers,
    "memory": rank_memory,
    "nbval": notebook_against_script,
}


def main(argv: list[str] | None = None) -> int:
    """Run the chosen measurements (all by default) and print one row each."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a target is missed")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.only) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"unknown measurement {sorted(unknown)[0]!r}; choose from {', '.join(MEASUREMENTS)}")
    results: list[Result] = []
    failed = 0
    for name in arguments.only or MEASUREMENTS:
        try:
            found = MEASUREMENTS[name]()
        except Exception as error:
            print(f"{name}: not measured: {error}", file=sys.stderr)
            failed += 1
            continue
        results += found if isinstance(found, list) else [found]
    print(f"\n{'what':52s} {'figure':>8s}  {'target':16s} {'':8s} seconds behind it")
    for r in results:
        verdict = "met" if r.met else "MISSED"
        print(f"{r.what:52s} {r.figure:8.3g}  {r.relation} {r.target:<7g} {verdict:8s} {r.detail}")
    missed = sum(not r.met for r in results)
    print(f"\n{len(results)} measured, {missed} missed their target, {failed} could not be measured.")
    return 1 if failed or (arguments.strict and missed) else 0


if __name__ == "__main__":
    sys.exit(main())
