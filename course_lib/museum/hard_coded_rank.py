"""Exhibit 19: every process is told that it is rank 0 of 4, on localhost."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from course_lib.museum.exhibit import Exhibit, Finding, Range

NODE = "node-0"  # the name of the first node, which stands for this machine


def wrong(join: Callable[..., None], environment: Mapping[str, str]) -> None:
    """Join the process group; join stands for init_process_group, environment is what torchrun has set."""
    join(
        host="localhost",
        port=int(environment["MASTER_PORT"]),
        rank=0,
        world_size=4,
    )


def repaired(join: Callable[..., None], environment: Mapping[str, str]) -> None:
    """Join the process group; join stands for init_process_group, environment is what torchrun has set."""
    join(
        host=environment["MASTER_ADDR"],
        port=int(environment["MASTER_PORT"]),
        rank=int(environment["RANK"]),
        world_size=int(environment["WORLD_SIZE"]),
    )


def measure(program: Callable[..., None]) -> Finding:
    """Launch it in 2 processes, with what torchrun would set for each, and see how each ends."""
    import socket

    from course_lib.lab import Gang

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ends, hosts = zip(*Gang(2, timeout=20).run(_launch, program, port), strict=True)
    joined = ends.count("joined")
    elsewhere = sorted({host for host in hosts if host not in (None, NODE)})
    return Finding(
        joined,
        "processes",
        "Both processes join."
        if joined == 2
        else "Of 2 processes " + " and ".join(sorted(f"one {end}" for end in ends)) + ".",
        f"It goes to {elsewhere[0]} where the launcher's MASTER_ADDR is {NODE}: on a second node nobody listens there."
        if elsewhere
        else "",
    )


def _launch(rank: int, program: Callable[..., None], port: int) -> tuple[str, str | None]:
    """How one launched process ends, "joined" or what stopped it, and the host that it went to."""
    environment = {"MASTER_ADDR": NODE, "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    went: list[str] = []

    def join(host: str, port: int, rank: int, world_size: int) -> None:
        went.append(host)
        _join(host, port, rank, world_size)

    try:
        program(join, environment)
    except OSError:
        return "finds the address in use", went[-1] if went else None
    except RuntimeError:  # torch.distributed's errors are of this kind
        return "waits until the timeout", went[-1] if went else None
    return "joined", went[-1] if went else None


def _join(host: str, port: int, rank: int, world_size: int) -> None:
    """Meet the other processes at a store: rank 0 opens it, all wait for world_size of them, 3 seconds at most.

    The socket is bound here, to loopback only: a TCPStore's own would listen on every interface.
    """
    import socket
    from datetime import timedelta

    from torch.distributed import TCPStore

    patience = timedelta(seconds=3)
    host = "127.0.0.1" if host == NODE else host  # what a name server does on a cluster
    if rank == 0:
        listener = socket.create_server(("127.0.0.1", port))
        store = TCPStore(host, port, world_size, True, patience, master_listen_fd=listener.detach())
    else:
        store = TCPStore(host, port, world_size, False, patience)
    _stores.append(store)


_stores: list[object] = []  # keeps a rank's store open until the process ends, while the other may still ask it


EXHIBIT = Exhibit(
    number="19",
    title="A process group on every node",
    fault_name="Everybody is rank 0",
    chapters=("06",),
    questions=("s003-q08", "s003-q12", "s003-q20", "s004-q01", "s004-q05", "s003-q11", "s003-q29"),
    claim="Initialise the process group with tcp://localhost, rank 0 and world size 4, and launch it on every node.",
    quantity="processes of 2 that join",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    ranks=2,
    fault=Range(0, 0),
    healed=Range(2, 2),
    faulty={
        'host="localhost"': (
            "On another node localhost is that node itself: it looks for the store where there is none."
        ),
        "rank=0": "Every process claims rank 0 and opens the store. The second finds the address in use.",
        "world_size=4": (
            "The number of processes that were launched decides it. The store waits for four and times out."
        ),
    },
    fine={
        'port=int(environment["MASTER_PORT"])': "The port comes from the launcher, which is right.",
        "def wrong(": "What torchrun sets is at hand in the environment.",
    },
    why_it_passes_review=(
        "With one process and a world size of 1 it works on the author's machine. On a cluster it hangs until the "
        "timeout, on every node, and the time is paid for."
    ),
    repair=(
        "Take rank, world size and address from the launcher's environment, or call init_process_group() without them."
    ),
)
