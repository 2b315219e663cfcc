"""What the doctor says of torch: its build, the accelerator it finds, and whether its ranks can talk."""

import shutil
import sys
from typing import Any

from course_lib.lab.finding import Finding

# Measured in November 2026: torch 2.13.0 on Linux x86_64, chapter 06 with its kernel and ranks.
CPU_REMEDY = (
    "Everything runs, with 5.8 GB on disk and 2.7 GB of memory in chapter 06, where the CPU build takes 1.8 and 1.5: "
    "make lab TORCH=cpu sets up with that one."
)


def torch_itself() -> Finding:
    """Say which torch is here and what it is built with."""
    try:
        import torch
    except Exception as error:
        first = str(error).partition("\n")[0]
        return Finding("torch", "missing", f"cannot be imported: {first}", "Run make clean and then make lab.")
    hip = getattr(torch.version, "hip", None)
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else f"ROCm {hip}" if hip else "no CUDA"
    return Finding("torch", "ok", f"{torch.__version__}, built with {build}")


def accelerator() -> Finding | None:
    """Say which accelerator torch finds, or why a GPU or a CUDA build is of no use; None where torch is missing."""
    if (torch := _import_torch()) is None:
        return None
    if not torch.accelerator.is_available():
        if shutil.which("nvidia-smi"):
            build = torch.version.cuda
            what = "an NVIDIA driver is here, and torch finds no GPU"
            remedy = (
                "Update the driver to one that knows CUDA " + build + "."
                if build
                else "This torch is built without CUDA: make lab TORCH=cuda sets up with the other build, or "
                "pip install --force-reinstall torch==2.13.0 takes it from PyPI."
            )
            return Finding("accelerator", "note", what, remedy)
        if torch.version.cuda:
            what = f"none, and this torch brings CUDA {torch.version.cuda}, which nothing here can use"
            return Finding("accelerator", "note", what, CPU_REMEDY)
        return Finding("accelerator", "ok", "none; everything runs on the CPU")
    kind = torch.accelerator.current_accelerator().type
    count = torch.accelerator.device_count()
    name = torch.cuda.get_device_name() if kind == "cuda" else kind
    try:
        torch.zeros(2, device=kind, dtype=torch.bfloat16).add(1).sum().item()
        half = "bf16 works"
    except Exception:
        half = "no bf16"
    return Finding("accelerator", "ok", f"{count} x {name}, {half}")


def _import_torch() -> Any:
    try:
        import torch
    except Exception:
        return None
    return torch


def gloo() -> Finding | None:
    """Say whether ranks on the CPU can talk over the loopback interface; None where torch is missing."""
    if _import_torch() is None:
        return None
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_gloo_available():
        return Finding("gloo", "missing", "torch was built without it", "Install torch 2.13.0 from PyPI.")
    name = "lo0" if sys.platform == "darwin" else "lo"
    try:
        dist.ProcessGroupGloo.create_device(interface=name)
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        return Finding(
            "gloo", "missing", f"cannot use {name}: {first}", f"Bring the interface {name} up with 127.0.0.1."
        )
    return Finding("gloo", "ok", f"ranks can talk over {name}")
