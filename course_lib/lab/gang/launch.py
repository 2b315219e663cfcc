"""The same function on several machines: `course run` hands it to torchrun, torch's elastic launcher.

    course run course_lib.parallelism.ddp:train steps=20 --nproc-per-node 2
    course run job.pkl --nnodes 2 --nproc-per-node 2 --node-rank 0 --rdzv-endpoint host:29500

`main` is the command; run as a module inside a worker (`python -m course_lib.lab.gang.launch`), this file joins the
process group that torchrun describes in the environment and calls the function as a gang would: `fn(rank, ...)`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import linecache
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

USAGE = "usage: course run MODULE:FUNCTION|JOB.pkl [NAME=VALUE ...] [torchrun options, such as --nproc-per-node 2]"
_LOGS = ("--log", "--redirects", "-r", "--tee", "-t")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def main(argv: Sequence[str]) -> int:
    """Run `course run`: start torchrun for a function and return its exit code; 2 for a wrong command line."""
    argv = list(argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    target, rest = argv[0], argv[1:]
    values = [word for word in rest if _is_value(word, rest)]
    options = [word for word in rest if word not in values]
    try:
        _check_target(target)
    except ValueError as error:
        print(f"course run: {error}\n{USAGE}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="course-run-") as folder:
        if not any(option.startswith(("--nnodes", "--rdzv", "--master", "--standalone")) for option in options):
            options = [*_meet_in(folder), *options]
        if not any(option.startswith(_LOGS) for option in options):  # torchrun would leave an empty folder behind
            options = ["--log-dir", f"{folder}/logs", *options]
        command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", __name__, target, *values]
        process = subprocess.Popen(command, env=_environment(options))
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # torchrun has been interrupted too: it stops its workers and ends
                process.send_signal(signal.SIGINT)


def _meet_in(folder: str) -> list[str]:
    """Return torchrun's options for one machine: `--standalone` without its store, which listens on every interface."""
    backend = ["--rdzv-backend", "c10d", "--rdzv-id", "course", "--rdzv-conf", "store_type=file"]
    return [*backend, "--rdzv-endpoint", f"{folder}/store", "--local-addr", "127.0.0.1"]


def _is_value(word: str, words: list[str]) -> bool:
    """Say whether a word is NAME=VALUE for the function, not an option's value (`--log-dir a=b`)."""
    before = words[words.index(word) - 1] if words.index(word) else ""
    takes_value = before.startswith("-") and "=" not in before and before != "--standalone"
    return not word.startswith("-") and "=" in word and word.split("=")[0].isidentifier() and not takes_value


def _check_target(target: str) -> None:
    """Raise ValueError for a target that no worker could load, without importing it here."""
    if target.endswith(".pkl"):
        if not Path(target).is_file():
            raise ValueError(f"there is no file {target}; gang.save(train, {target!r}) writes one.")
        return
    module, colon, function = target.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module.split("."), function]):
        raise ValueError(f"{target!r} is neither MODULE:FUNCTION nor a file JOB.pkl.")
    sys.path.insert(0, os.getcwd())
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    finally:
        sys.path.pop(0)
    if spec is None:
        raise ValueError(f"there is no module {module} here: start in the folder that holds it.")
    if spec.origin is not None and spec.origin.endswith(".py"):
        names = _names_in(Path(spec.origin))
        if function not in names and "*" not in names:
            raise ValueError(f"module {module} has no function {function}.")


def _names_in(path: Path) -> set[str]:
    """Return the names that a source file may bind at its top level; "*" for what only running it would tell."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names | ({"*"} if "__getattr__" in names else set())


def _environment(options: list[str]) -> dict[str, str]:
    """Return the launcher's environment: this folder and package importable, one thread, gloo on loopback if alone."""
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[3])
    environment["PYTHONPATH"] = os.pathsep.join([os.getcwd(), root, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment.setdefault("OMP_NUM_THREADS", "1")
    # With the store of torchrun itself, gloo finds the addresses of dead ranks after a restart and fails or hangs.
    environment.setdefault("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    joined = " ".join(options)
    if "--standalone" in options or any(f"{host}:" in joined or f"addr {host}" in joined for host in _LOOPBACK):
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    return environment


def load_target(target: str) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """Return the function, arguments and keyword arguments of a target."""
    if not target.endswith(".pkl"):
        module, _, function = target.partition(":")
        return getattr(importlib.import_module(module), function), (), {}
    from course_lib.lab.gang import payload

    job = payload.load(Path(target))
    linecache.cache.update(job["sources"])
    fn, args, kwargs = job["call"]
    return fn, args, kwargs


def parse_values(words: Sequence[str]) -> dict[str, Any]:
    """Turn `steps=20 name=ring` into {"steps": 20, "name": "ring"}: Python literals, else text."""
    values: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text
    return values


def _meets_on_loopback() -> bool:
    """Say whether the workers meet on this machine, at a store of their own and not at one of the launcher."""
    hosted = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return os.environ.get("MASTER_ADDR") in _LOOPBACK and not hosted


def loopback_store(rank: int, world_size: int, port: int) -> Any:
    """Return the workers' store, hosted by rank 0 at a port of loopback.

    torch's TCPStore listens on every interface whatever address it is given (pytorch issue 173909), so rank 0 hands it
    a socket that is bound already.
    """
    import torch.distributed as dist

    listener = socket.create_server(("127.0.0.1", port)).detach() if rank == 0 else None
    return dist.TCPStore("127.0.0.1", port, world_size, rank == 0, master_listen_fd=listener)


def work(argv: Sequence[str]) -> None:
    """Be one worker of torchrun: join the group, call the function; rank 0 prints what it returned."""
    import torch
    import torch.distributed as dist

    fn, args, kwargs = load_target(argv[0])
    rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    enough = dist.is_nccl_available() and torch.cuda.device_count() >= int(os.environ["LOCAL_WORLD_SIZE"])
    device = torch.device("cuda", local_rank) if enough else torch.device("cpu")
    os.environ["COURSE_DEVICE"] = str(device)
    if enough:
        torch.cuda.set_device(device)
    elif torch.cuda.is_available():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    backend, device_id = "nccl" if enough else "gloo", device if enough else None
    if _meets_on_loopback():
        world_size = int(os.environ["WORLD_SIZE"])
        store = loopback_store(rank, world_size, int(os.environ["MASTER_PORT"]))
        dist.init_process_group(backend, store=store, rank=rank, world_size=world_size, device_id=device_id)
    else:
        dist.init_process_group(backend, device_id=device_id)
    if rank == 0:
        print(
            f"{dist.get_world_size()} ranks, {dist.get_backend()}, {os.environ['GROUP_WORLD_SIZE']} node(s)", flush=True
        )
    from course_lib.lab.gang.watch import Watch

    with Watch(dist.distributed_c10d._get_default_store(), rank, dist.get_world_size()) as watch:
        result = fn(rank, *args, **{**kwargs, **parse_values(argv[1:])})
        watch.wait_for_all()  # no rank closes its connections while another still uses them
    if dist.is_initialized():
        dist.destroy_process_group()
    if rank == 0:
        print(f"rank 0 returned {result!r}", flush=True)


if __name__ == "__main__":
    from torch.distributed.elastic.multiprocessing.errors import record

    record(work)(sys.argv[1:])
