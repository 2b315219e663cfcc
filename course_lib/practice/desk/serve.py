"""Serve the reader's workspace in JupyterLab: on loopback, with a token, apart from the reader's other Jupyter."""

import errno
import os
import secrets
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from course_lib.practice.desk.place import SERVED, START_PAGE, CourseError
from course_lib.practice.desk.saving import without_views

LOOPBACK = "127.0.0.1"
FIRST_PORT = 8888
PORTS_TRIED = 100
LAB_SETTINGS = Path(__file__).with_name("jupyterlab")


def is_free(port: int) -> bool:
    """Tell whether `port` can be listened on at loopback; raise CourseError where this user may not."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As JupyterLab's own socket: a port whose last connections are only closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except PermissionError:
            raise CourseError(f"Port {port} is for the system only: choose one above 1023 with --port.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise CourseError(f"Nothing can listen on {LOOPBACK} here ({error.strerror}): see course doctor.") from None
    return True


def choose_port(asked: int | None, out: TextIO | None = None) -> int:
    """Return the port to serve on: the one asked for, or the first free one from 8888 on, saying if it is another.

    Raises CourseError if the port asked for is taken or out of range.
    """
    if asked is not None:
        if not 1 <= asked <= 65535:
            raise CourseError(f"There is no port {asked}: choose one from 1024 to 65535 with --port.")
        if not is_free(asked):
            raise CourseError(f"Port {asked} is in use: leave --port out to take a free one, or name another.")
        return asked
    for port in range(FIRST_PORT, FIRST_PORT + PORTS_TRIED):
        if is_free(port):
            if port != FIRST_PORT:
                print(f"Port {FIRST_PORT} is in use: taking {port}.", file=out or sys.stderr)
            return port
    last = FIRST_PORT + PORTS_TRIED - 1
    raise CourseError(
        f"Ports {FIRST_PORT} to {last} are all in use: stop one of the servers or name a port with --port."
    )


def start_url(workspace: Path) -> str:
    """Return the page to open: the start page where the workspace has it, else JupyterLab's own."""
    return f"/lab/tree/{START_PAGE}" if (workspace / START_PAGE).is_file() else "/lab"


def arguments(workspace: Path, port: int, token: str, browser: bool) -> list[str]:
    """Return JupyterLab's arguments. They outrank any configuration file that the reader has."""
    args = [
        f"--ServerApp.root_dir={workspace}",
        f"--ServerApp.ip={LOOPBACK}",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.open_browser={browser}",
        # Ctrl-C ends the server and its kernels without a question; notebooks save themselves as they go.
        "--ServerApp.answer_yes=True",
        "--Application.log_level=WARN",
        f"--LabApp.default_url={start_url(workspace)}",
        f"--LabApp.app_settings_dir={LAB_SETTINGS}",
        # The style sheet beside the settings (see `serve`) keeps the letters of figures legible in a narrow window.
        "--LabApp.custom_css=True",
        # Nothing leaves this machine: no news, no look for updates, no extension index.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        # Looking for language servers would start node and npm on machines that have them.
        "--LanguageServerManager.autodetect=False",
        # Each kernel otherwise prints that it runs over TCP without encryption.
        "--KernelManager.transport_encryption=auto",
    ]
    return [*args, "--allow-root"] if os.geteuid() == 0 else args


def keep_apart(workspace: Path) -> None:
    """Give JupyterLab folders of its own inside the workspace, so that ~/.jupyter is neither read nor written.

    The environment's own kernel comes before one of the same name that the reader installed elsewhere, and a shell
    cell or a terminal finds this environment's `course`, whether the environment was activated or not, and both know
    this workspace wherever it lies.
    """
    home = workspace / ".course" / "jupyter"
    for name in ("CONFIG", "DATA", "RUNTIME"):
        os.environ.setdefault(f"JUPYTER_{name}_DIR", str(home / name.lower()))
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ[SERVED] = str(workspace)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def serve(workspace: Path, port: int | None, browser: bool) -> int:
    """Serve `workspace` until Ctrl-C and return the exit status; print the address with its token once it answers.

    Raises CourseError if JupyterLab is not installed or no port can be had.
    """
    if find_spec("jupyterlab") is None:
        raise CourseError("JupyterLab is not installed here: run make lab, or pip install -e . in the clone.")
    number = choose_port(port)
    keep_apart(workspace)
    token = secrets.token_hex(24)
    from jupyterlab.labapp import LabApp

    server = LabApp.initialize_server(argv=arguments(workspace, number, token, browser))
    # No option says where the style sheet lies; the reader's own, if there is one, comes first.
    server.web_app.settings["static_custom_path"].append(str(LAB_SETTINGS))
    # The page keeps its widgets; the file keeps what shows without a kernel.
    server.contents_manager.register_pre_save_hook(without_views)
    server.io_loop.add_callback(
        _say_where, workspace, f"http://{LOOPBACK}:{number}{start_url(workspace)}?token={token}"
    )
    # A closed terminal stops it as kill does, kernels included.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    server.start()
    return 0


def _say_where(workspace: Path, address: str) -> None:
    print(f"The course is open at\n    {address}\nYour copies are in {workspace}. Ctrl-C stops it.", flush=True)
