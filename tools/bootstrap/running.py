"""Run one command of the set-up: all it prints goes into a log, one line of progress to the reader."""

import os
import re
import subprocess
from pathlib import Path
from typing import IO, Dict, List, Optional

# What would lead pip or uv away from .venv.
ASTRAY = (
    "PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "UV_SYSTEM_PYTHON", "UV_PYTHON", "UV_TARGET",
    "UV_PREFIX", "UV_PROJECT", "UV_WORKING_DIR",
)  # fmt: skip


def environment(wheels: Optional[Path] = None) -> Dict[str, str]:
    """Return the environment of pip and uv; with `wheels` that folder is all they look at, whatever is configured."""
    env = {name: value for name, value in os.environ.items() if name not in ASTRAY}
    if wheels is not None:
        env = {name: value for name, value in env.items() if not name.startswith(("PIP_", "UV_"))}
        # As an address, since pip splits the variable at spaces and uv at commas.
        env.update(PIP_CONFIG_FILE=os.devnull, PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels.resolve().as_uri())
        env.update(UV_OFFLINE="1", UV_NO_CONFIG="1")
        env.update({name: os.environ[name] for name in ("PIP_CACHE_DIR", "UV_CACHE_DIR") if name in os.environ})
    env.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", PYTHONUNBUFFERED="1")
    return env


def status_of(line: str, done: int, total: int) -> Optional[str]:
    """Turn a line of pip's or uv's output into one of progress; None where it says nothing new."""
    if line.startswith(("Collecting ", "Processing ")):
        return "package %d of %d: %s" % (min(done + 1, total), total, line.split()[1].rsplit("/")[-1])
    if line.startswith(("Installing collected packages", "Prepared ")):
        return "unpacking"
    found = re.match(r"\s*Downloading (\S+).*\((.*)\)", line)
    return "downloading %s (%s)" % (found.group(1).rsplit("/")[-1].split("-")[0], found.group(2)) if found else None


def run_logged(command: List[str], log: IO[str], total: int, out: IO[str], env: Dict[str, str]) -> int:
    """Run `command`, keep all it prints in `log`, show one line of progress on `out`; return its exit status."""
    log.write("$ %s\n" % " ".join(command))
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, errors="replace", env=env
    )
    done = 0
    live = out.isatty()
    try:
        for line in child.stdout or ():
            log.write(line)
            log.flush()
            said = status_of(line, done, total)
            done += line.startswith(("Collecting ", "Processing "))
            if said and live:
                out.write("\r\033[K  %s" % said[:76])
                out.flush()
        return child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        if live:
            out.write("\r\033[K")
