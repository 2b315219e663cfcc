"""Fill .venv from the lock: with uv where it can be had, with pip where not, and the CPU build of torch by itself."""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import IO, Dict, List, Optional

from tools.bootstrap import pip_settings, torch_build
from tools.bootstrap.running import environment, run_logged
from tools.bootstrap.state import MARKER, count_pins, pins, stamp_text, venv_version
from tools.bootstrap.words import LASTING, SetupError, explain

UV = "uv==0.13.9"  # the version that the set-up was tried with; one on the path is taken as it is


class Installer:
    """pip and uv of one .venv, with one log. `wheels` is a folder that all packages come from, None the indexes."""

    def __init__(self, root: Path, log: IO[str], out: IO[str], wheels: Optional[Path] = None) -> None:
        self.root, self.log, self.out = root, log, out
        self.venv = root / ".venv"
        self.python = str(self.venv / "bin" / "python")
        self.env = environment(wheels)
        self.wheels = wheels
        self.total = count_pins(pins(root))
        self.uv = None  # type: Optional[str]
        self.settings = {}  # type: Dict[str, List[str]]

    def say(self, sentence: str) -> None:
        """Tell the reader one line."""
        self.out.write(sentence + "\n")
        self.out.flush()

    def call(self, command: List[str], more: Optional[Dict[str, str]] = None) -> int:
        """Run a command with the set-up's environment and return its status."""
        env = dict(self.env)
        env.update(more or {})
        return run_logged(command, self.log, self.total, self.out, env)

    def find_uv(self) -> None:
        """Take uv from .venv or from the path, else install it; say in one line where pip stays."""
        self.settings = pip_settings.settings_of(self.python, self.env)
        try:
            pip_settings.for_uv(self.settings)
        except pip_settings.NotForUv as setting:
            self.say("pip is configured with %s, which uv does not know: pip installs, in some minutes." % setting)
            return
        own = str(self.venv / "bin" / "uv")
        for candidate in (own, shutil.which("uv") or ""):
            if candidate and os.access(candidate, os.X_OK) and not self.call([candidate, "--version"]):
                self.uv = candidate
                return
        wanted = "uv" if self.wheels else UV
        if not self.call([self.python, "-m", "pip", "install", wanted]) and os.access(own, os.X_OK):
            self.uv = own
        else:
            self.say("uv cannot be had here: pip installs, in some minutes.")

    def attempt(self, arguments: List[str], index: Optional[str] = None) -> int:
        """Install with uv or else pip, from the reader's indexes and `index` besides; return the status."""
        if self.uv:
            env, options = pip_settings.for_uv(self.settings, index)
            # What the reader has set for uv itself counts.
            env = {name: value for name, value in env.items() if not name.startswith("UV_") or name not in self.env}
            # Bytecode too, as pip does: without it each new process may compile torch for itself, 2 s.
            command = [self.uv, "pip", "install", "--compile-bytecode", "--python", self.python]
            return self.call([*command, *options, *arguments], env)
        extra = ["--extra-index-url", index] if index else []
        return self.call([self.python, "-m", "pip", "install", *extra, *arguments])

    def install(self, arguments: List[str]) -> None:
        """Install; what uv cannot do pip tries again. Raise SetupError with the sentence for what stopped it."""
        status = self.attempt(arguments)
        if status and self.uv and not re.search(LASTING, Path(self.log.name).read_text(errors="replace")):
            self.say("uv stopped (its words are in build/setup.log): pip installs, in some minutes.")
            self.uv = None
            status = self.attempt(arguments)
        if status:
            stop(["pip"], status, Path(self.log.name))

    def take_cpu_torch(self) -> bool:
        """Install torch's CPU build alone: from where the reader's pip looks, else from PyTorch's index of it."""
        wanted = ["--no-deps", "torch==%s+cpu" % torch_build.pinned(pins(self.root))]
        return not self.attempt(wanted) or not self.attempt(wanted, torch_build.CPU_INDEX)


def install(
    root: Path, fresh: bool, python: str, out: IO[str], build: str = "default", wheels: Optional[Path] = None
) -> None:
    """Make or update `root`/.venv with `python`; raise SetupError with the sentence for what stopped it."""
    venv = root / ".venv"
    log_path = root / "build" / "setup.log"
    log_path.parent.mkdir(exist_ok=True)
    with log_path.open("w") as log:
        work = Installer(root, log, out, wheels)
        if fresh:
            shutil.rmtree(str(venv), ignore_errors=True)
            venv.mkdir()
            (venv / MARKER).write_text("being installed\n")
            command = [python, "-m", "venv", str(venv)]
            status = work.call(command)
            if status:
                stop(command, status, log_path)
        (venv / MARKER).write_text("being installed\n")
        work.find_uv()
        if build == "cpu" and wheels is None and not work.take_cpu_torch():
            build = "cuda"
            work.say(
                "No CPU build of torch can be had here: the one with CUDA follows, %s; to stop, press Ctrl-C."
                % torch_build.cost(build)
            )
        work.install(["-r", str(root / "requirements.lock")])
        work.install(["--no-deps", "--no-build-isolation", "-e", str(root)])
    version = venv_version(venv)
    if version is None:
        raise SetupError("The new .venv has no Python in it: the log is %s." % log_path)
    partial = venv / (MARKER + ".new")
    partial.write_text(stamp_text(root, version, build))
    os.replace(str(partial), str(venv / MARKER))


def stop(command: List[str], status: int, log_path: Path) -> None:
    """Raise SetupError for a command that ended with `status`, in the words of what its output shows."""
    text = log_path.read_text(errors="replace")
    where = "(pip's own words are in %s)" % os.path.relpath(str(log_path))
    if command[2:3] == ["venv"] and ("ensurepip" in text or "No module named venv" in text):
        short = "%d.%d" % sys.version_info[:2]
        raise SetupError(
            "Python %s comes without its venv module here: install it (on Debian and Ubuntu: "
            "sudo apt install python%s-venv) and run it again %s." % (short, short, where)
        )
    known = explain(text[text.rfind("\n$ ") + 1 :])  # what the last command said
    if known:
        raise SetupError("The set-up stopped because %s %s" % (known, where))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    raise SetupError("The set-up stopped with status %d: %s %s" % (status, errors[-1], where))
