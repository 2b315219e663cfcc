"""The reader's pip configuration, told to uv, which does not read it."""

import ast
import re
import subprocess
from typing import Dict, List, Optional, Tuple

ORDER = ("global", "install", ":env:")  # of pip: a later one replaces an earlier one
# Settings that change nothing about which package comes from where.
HARMLESS = {
    "break-system-packages", "cache-dir", "config-file", "disable-pip-version-check", "exists-action", "log",
    "no-color", "no-input",
    "no-python-version-warning", "no-warn-script-location", "progress-bar", "quiet", "require-virtualenv",
    "root-user-action", "user", "verbose", "compile", "no-compile", "prefer-binary",
}  # fmt: skip


class NotForUv(Exception):
    """pip is configured in a way that uv cannot be told; the text is the setting's name."""


def read(listing: str) -> Dict[str, List[str]]:
    """Turn what `pip config list` prints into values by option, as `pip install` would combine them."""
    found = {}  # type: Dict[str, Dict[str, str]]
    for line in listing.splitlines():
        match = re.match(r"([^.=]+)\.([^=]+)=(.*)$", line)
        if match and match.group(1) in ORDER:
            value = match.group(3)
            found.setdefault(match.group(1), {})[match.group(2)] = str(ast.literal_eval(value))
    settings = {}  # type: Dict[str, List[str]]
    for section in ORDER:
        for name, value in found.get(section, {}).items():
            if value.split():  # pip ignores an empty one
                settings[name.replace("default-timeout", "timeout").replace("pypi-url", "index-url")] = value.split()
    return settings


def settings_of(python: str, env: Dict[str, str]) -> Dict[str, List[str]]:
    """Ask the pip of `python` for its configuration: files of the system, the user and .venv, and PIP_ variables."""
    ran = subprocess.run(
        [python, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
    )
    return read(ran.stdout.decode(errors="replace"))


def for_uv(settings: Dict[str, List[str]], first: Optional[str] = None) -> Tuple[Dict[str, str], List[str]]:
    """Return the variables and options by which uv does what pip would do with these settings.

    `first` is one more index. Indexes go into variables, so that a password in one stands in no log and no process
    list. Raises NotForUv where a setting has no counterpart.
    """
    env = {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # as pip: the best version, whichever index has it
    options = []  # type: List[str]
    indexes = [first] if first else []
    for name, values in settings.items():
        on = values[0].lower() not in ("0", "false", "no", "off")
        if name == "index-url":
            env["UV_DEFAULT_INDEX"] = values[0]
        elif name == "extra-index-url":
            indexes += values
        elif name == "find-links":
            env["UV_FIND_LINKS"] = ",".join(values)
        elif name == "constraint":
            options += [word for value in values for word in ("--constraints", value)]
        elif name == "trusted-host":
            env["UV_INSECURE_HOST"] = " ".join(values)
        elif name == "no-index":
            options += ["--no-index"] if on else []
        elif name == "cert":
            env["SSL_CERT_FILE"] = values[0]
        elif name == "client-cert":
            env["SSL_CLIENT_CERT"] = values[0]
        elif name == "proxy":
            env.update(HTTP_PROXY=values[0], HTTPS_PROXY=values[0], ALL_PROXY=values[0])
        elif name == "timeout":
            env["UV_HTTP_TIMEOUT"] = str(max(1, int(float(values[0]))))
        elif name == "retries":
            env["UV_HTTP_RETRIES"] = values[0]
        elif name == "no-cache-dir":
            options += ["--no-cache"] if on else []
        elif name not in HARMLESS:
            raise NotForUv(name)
    if indexes:
        env["UV_INDEX"] = " ".join(indexes)
    return env, options
