"""Which build of torch a machine gets, and what that costs to fetch and to keep.

PyPI's torch for Linux brings CUDA libraries of several GB, which a machine without a GPU cannot use. The CPU build
of the same version lies on PyTorch's own index, from which nothing else is taken.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Optional

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CHOICES = ("cpu", "cuda")

# To fetch and on disk, GB, with the lock of November 2026 on Python 3.11. cpu: both measured on Linux x86_64. cuda: the
# sum of the wheels' sizes on PyPI (x86_64; 3.1 on aarch64), and the measured folder. default, which is macOS: the sum
# of the wheels' sizes for Apple silicon; no .venv has been measured there.
SIZES = {"cpu": (0.47, 1.8), "cuda": (3.0, 5.8), "default": (0.31, None)}


def sees_gpu(root: Path = Path("/"), tools: tuple = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")) -> bool:
    """Tell whether this Linux machine shows an NVIDIA GPU: its device file, or one that nvidia-smi lists.

    /proc/driver/nvidia alone does not count: a container without the device sees the driver of its host.
    """
    if any(re.match(r"nvidia\d+$", path.name) for path in (root / "dev").glob("nvidia*")):
        return True
    for tool in tools:
        try:
            listed = subprocess.run([tool, "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if listed.returncode == 0 and b"GPU " in listed.stdout:
            return True
    return False


def choose(asked: Optional[str], stamped: Optional[str], system: str = sys.platform, gpu: Optional[bool] = None) -> str:
    """Return "cpu", "cuda" or "default" (macOS, where there is one build): asked for, as before, or by the GPU seen."""
    if system != "linux":
        return "default"
    if asked or stamped in CHOICES:
        return asked or str(stamped)
    return "cuda" if (sees_gpu() if gpu is None else gpu) else "cpu"


def pinned(lock: str) -> str:
    """Return the lock's version of torch, such as "2.13.0"."""
    found = re.search(r"^torch==([^\s;]+)", lock, re.MULTILINE)
    return found.group(1) if found else ""


def reason(build: str, asked: Optional[str]) -> str:
    """Name the build and why it is taken, for the line that the reader sees before anything is fetched."""
    if build == "default":
        return "torch for macOS"
    name = "torch's CPU build" if build == "cpu" else "torch with CUDA"
    why = "as asked" if asked else "no GPU is seen here" if build == "cpu" else "a GPU is seen here"
    return "%s (%s)" % (name, why)


def cost(build: str) -> str:
    """Say what a build and the rest of the lock take, such as "0.47 GB to fetch and 1.8 GB on disk"."""
    fetch, keep = SIZES[build]
    return "%.2g GB to fetch" % fetch + (" and %.2g GB on disk" % keep if keep else "")
