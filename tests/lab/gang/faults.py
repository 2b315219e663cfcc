"""The faults that a gang must survive, each run for real in a Jupyter kernel.

`python -m tests.lab.gang.faults [-v]` prints the table: fault, seconds until the cell ends in its GangError, processes
left, whether the next cell works. tests/lab/gang/test_faults.py asserts on the same list.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.gang.fault_list import FAULTS, NEXT, SETUP, TELL
from tests.lab.gang.kernel import Kernel, wait_until


@dataclass(frozen=True)
class Outcome:
    """What came of one fault."""

    error: str
    message: str
    shown: str
    cause: str
    rank: str
    seconds: float
    left: int
    next_works: bool


def run_fault(kernel, fault):
    """Run the fault's cell, count the processes left when it has ended, run a good cell."""
    cell = kernel.run(fault.cell(), interrupt_after=fault.interrupt_after)
    left = len(kernel.processes())
    told = kernel.run(TELL)
    cause, _, rank = told.text.strip().partition("|")
    n = fault.world_size
    expected = str([float(sum(range(n)))] * n)
    next_works = expected in kernel.run(NEXT.format(n=n)).text
    return Outcome(cell.error, cell.message, cell.shown, cause, rank, cell.seconds, left, next_works)


def kill_kernel(folder):
    """Kill a kernel whose ranks are in a collective; return the seconds until all are gone, and their number."""
    kernel = Kernel(folder)
    kernel.run(SETUP)
    body = "def wait(rank):\n    print('in', flush=True)\n    dist.recv(torch.ones(1), src=(rank + 1) % 4)\n"
    kernel.start(body + "lab.Gang(4, timeout=600).run(wait)", until="[rank 3] in")
    before = len(kernel.all_processes())
    kernel.kill()
    seconds = wait_until(lambda: not kernel.all_processes(), 20)
    kernel.close()
    return seconds, before


def main():
    """Print the fault table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="print each GangError too")
    parser.add_argument("name", nargs="?", default="", help="only faults whose name contains this")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        kernel = Kernel(Path(folder))
        kernel.run(SETUP)
        for fault in FAULTS:
            if options.name not in fault.name:
                continue
            outcome = run_fault(kernel, fault)
            rows.append(
                (fault.name, f"{outcome.error}: {outcome.cause}", outcome.seconds, outcome.left, outcome.next_works)
            )
            if options.verbose:
                print(f"--- {fault.name}\n{outcome.shown}\n")
        kernel.close()
        if not options.name:
            seconds, before = kill_kernel(Path(folder))
            rows.append(
                (f"kill -9 of the kernel ({before} processes)", "all gone", seconds, 0 if seconds else before, True)
            )
    print("| fault | ends in | seconds | processes left | next cell works |\n|---|---|---|---|---|")
    for name, ends, seconds, left, works in rows:
        print(f"| {name} | {ends} | {seconds:.2f} | {left} | {'yes' if works else 'NO'} |")


if __name__ == "__main__":
    main()
