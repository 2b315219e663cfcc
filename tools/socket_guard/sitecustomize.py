"""Found first on PYTHONPATH: installs the socket guard at start-up, then runs the sitecustomize that it hides."""

import importlib.machinery
import importlib.util
import os
import sys

import socket_guard

socket_guard.install()

_here = os.path.dirname(os.path.abspath(__file__))
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [p for p in sys.path if os.path.abspath(p) != _here])
if _spec is not None and _spec.loader is not None:
    _spec.loader.exec_module(importlib.util.module_from_spec(_spec))
