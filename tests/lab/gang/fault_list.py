"""Every fault that a gang must survive, as cells of a notebook, and how each must end."""

from dataclasses import dataclass

SETUP = """
import ctypes, os, signal, sys, time
import torch
import torch.distributed as dist
from course_lib import lab

def fine(rank):
    x = torch.ones(2) * rank
    dist.all_reduce(x)
    return x[0].item()

gangs = {n: lab.Gang(n, timeout=20.0, straggler=0.6) for n in (1, 2, 4)}
impatient = {n: lab.Gang(n, timeout=1.0, straggler=20.0) for n in (2, 4)}  # for what only `timeout` can end
print(gangs[4].run(fine))
"""
NEXT = "gangs[{n}].run(fine)"
TELL = (
    "error = getattr(sys, 'last_value', None); print(getattr(error, 'cause', ''), getattr(error, 'rank', ''), sep='|')"
)


@dataclass(frozen=True)
class Fault:
    """One fault: the body of `def fault(rank):`, and what the GangError must say."""

    name: str
    body: str
    cause: str
    rank: int | None
    says: tuple[str, ...]
    world_size: int = 4
    before: str = ""
    call: str = "gangs[{n}].run(fault)"
    interrupt_after: str | None = None

    def cell(self):
        """Return the cell that runs into the fault."""
        body = "\n".join(f"    {line}" for line in self.body.splitlines())
        return f"{self.before}\ndef fault(rank):\n{body}\n\n{self.call.format(n=self.world_size)}\n"


FAULTS = [
    Fault(
        "exception while others wait",
        'with lab.span("backward"):\n'
        "    if rank == 1:\n        raise ValueError('no data left')\n    dist.all_reduce(torch.ones(1))",
        "exception",
        1,
        ("rank 1 raised ValueError: no data left", "raise ValueError('no data left')", "rank 0 ", 'in span "backward"'),
    ),
    Fault(
        "exception inside torch",
        "if rank == 2:\n    torch.ones(2, 3) @ torch.ones(2, 3)\ndist.barrier()",
        "exception",
        2,
        ("rank 2 raised RuntimeError: mat1 and mat2 shapes", "torch.ones(2, 3) @ torch.ones(2, 3)"),
    ),
    Fault(
        "SIGKILL of a rank",
        "if rank == 1:\n    time.sleep(0.2)\n    os.kill(os.getpid(), signal.SIGKILL)\ndist.all_reduce(torch.ones(1))",
        "signal",
        1,
        ("rank 1 was killed by SIGKILL", "rank 0 "),
    ),
    Fault(
        "SIGKILL with DDP built",
        "model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))\n"
        "if rank == 1:\n    os.kill(os.getpid(), signal.SIGKILL)\nmodel(torch.ones(1, 2)).sum().backward()",
        "signal",
        1,
        ("rank 1 was killed by SIGKILL",),
    ),
    Fault(
        "collective skipped",
        "dist.all_reduce(torch.ones(1))\nif rank == 1:\n    return\ndist.all_reduce(torch.ones(1))",
        "mismatch",
        1,
        ("rank 1 returned, while", "rank 1 had returned after 1 call", "rank 0 waited in all_reduce"),
    ),
    Fault(
        "backward of DDP skipped",
        "model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))\n"
        "loss = model(torch.ones(1, 2)).sum()\nif rank == 1:\n    return\nloss.backward()",
        "mismatch",
        1,
        ("rank 1 returned", "loss.backward()"),
        world_size=2,
    ),
    Fault(
        "receive without a send",
        "if rank == 0:\n    work = dist.irecv(torch.ones(1), src=1)\n    work.wait()",
        "mismatch",
        1,
        ("rank 1 returned", "rank 0 waited in wait", "work.wait()"),
        world_size=2,
    ),
    Fault(
        "all in recv (deadlock)",
        "dist.recv(torch.ones(1), src=(rank + 1) % 4)",
        "no progress",
        None,
        ("no progress for 1 s", "Every rank waits for another: a deadlock", "rank 3 waited in recv"),
        call="impatient[{n}].run(fault)",
    ),
    Fault(
        "endless Python loop",
        "while rank == 1:\n    pass\ndist.barrier()",
        "no progress",
        None,
        ("no progress for 1 s", "rank 1 ran", "rank 0 waited in barrier"),
        call="impatient[{n}].run(fault)",
    ),
    Fault(
        "hang (sleep)",
        "if rank == 3:\n    time.sleep(600)\ndist.barrier()",
        "no progress",
        None,
        ("no progress for 1 s", "time.sleep(600)"),
        call="impatient[{n}].run(fault)",
    ),
    Fault(
        "C code that holds Python's lock",
        "if rank == 1:\n    ctypes.PyDLL(None).sleep(600)\ndist.barrier()",
        "no progress",
        None,
        ("no progress for 1 s", "ctypes.PyDLL(None).sleep(600)"),
        world_size=2,
        call="impatient[{n}].run(fault)",
    ),
    Fault(
        "stopped rank (SIGSTOP)",
        "if rank == 1:\n    os.kill(os.getpid(), signal.SIGSTOP)\ndist.barrier()",
        "no progress",
        None,
        ("rank 1 did not answer",),
        world_size=2,
        call="impatient[{n}].run(fault)",
    ),
    Fault(
        "over the time limit",
        "for step in range(600):\n    lab.report(step, 600)\n    time.sleep(0.05)",
        "limit",
        None,
        ("limit=0.5 s",),
        world_size=2,
        call="gangs[{n}].run(fault, limit=0.5)",
    ),
    Fault(
        "sys.exit",
        "if rank == 1:\n    sys.exit(3)\ndist.barrier()",
        "exit",
        1,
        ("rank 1 called sys.exit(3)", "sys.exit(3)"),
    ),
    Fault(
        "os._exit",
        "if rank == 1:\n    os._exit(3)\ndist.barrier()",
        "exit",
        1,
        ("rank 1 left with exit code 3",),
    ),
    Fault(
        "segmentation fault",
        "if rank == 1:\n    ctypes.string_at(8)\ndist.barrier()",
        "signal",
        1,
        ("rank 1 was killed by SIGSEGV", "ctypes.string_at(8)"),
    ),
    Fault(
        "mismatched shapes",
        "dist.all_reduce(torch.ones(1000 + 5000 * rank))\ndist.barrier()",
        "",
        None,
        ("dist.all_reduce(torch.ones(1000 + 5000 * rank))",),
        world_size=2,
    ),
    Fault(
        "group destroyed by a rank",
        "if rank == 1:\n    dist.destroy_process_group()\n    return\ndist.all_reduce(torch.ones(1))",
        "mismatch",
        1,
        ("rank 1 destroyed its process group",),
    ),
    Fault(
        "interrupt of the cell",
        'print("in", flush=True)\nif rank == 1:\n    time.sleep(600)\ndist.barrier()',
        "interrupt",
        None,
        ("interrupted", "time.sleep(600)"),
        interrupt_after="[rank 1] in",
    ),
    Fault(
        "function that cannot be pickled",
        "with lock:\n    return 1",
        "payload",
        None,
        ("variable 'lock'", "cannot"),
        before="import threading; lock = threading.Lock()",
    ),
    Fault(
        "argument that cannot be pickled",
        "return 1",
        "payload",
        None,
        ("argument 'data'", "generator"),
        call="gangs[{n}].run(fault, data=(i for i in range(3)))",
    ),
    Fault(
        "result that cannot be pickled",
        "return (i for i in range(3)) if rank == 1 else 0",
        "payload",
        1,
        ("rank 1 returned something that cannot travel back (generator)",),
    ),
    Fault(
        "closure over 1.5 GiB",
        "return small + huge.numel()",
        "payload",
        None,
        ("variable 'huge'", "more than 1 GiB"),
        before="small, huge = 1, torch.empty(1_500 << 20, dtype=torch.uint8)",
    ),
    Fault(
        "fault in the first line, one rank",
        "return undefined_name",
        "exception",
        0,
        ("rank 0 raised NameError: name 'undefined_name' is not defined",),
        world_size=1,
    ),
]
