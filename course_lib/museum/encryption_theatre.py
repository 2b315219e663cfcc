"""Exhibit 6: the model is encrypted, and the plaintext and the key lie beside it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import nn


def seal(data: bytes, key: bytes) -> bytes:
    """Encrypt and sign with the standard library, for this exhibit only: at work use AES-GCM and a key service."""
    body = bytes(a ^ b for a, b in zip(data, _stream(key, len(data)), strict=True))
    return hmac.digest(key, body, "sha256") + body


def unseal(sealed: bytes, key: bytes) -> bytes:
    """Undo `seal`; ValueError where the key is wrong or the bytes were changed."""
    tag, body = sealed[:32], sealed[32:]
    if not hmac.compare_digest(tag, hmac.digest(key, body, "sha256")):
        raise ValueError("wrong key, or changed bytes")
    return bytes(a ^ b for a, b in zip(body, _stream(key, len(body)), strict=True))


def wrong(model: nn.Module, key: bytes, folder: Path) -> dict:
    """Store the model encrypted at rest and load it again; return its state_dict."""
    import torch

    torch.save(model.state_dict(), folder / "model.pth")
    sealed = seal((folder / "model.pth").read_bytes(), key)
    (folder / "model.enc").write_bytes(sealed)
    (folder / "model.key").write_bytes(key)
    return torch.load(folder / "model.pth", weights_only=True)


def repaired(model: nn.Module, key: bytes, folder: Path) -> dict:
    """Store the model encrypted at rest and load it again; return its state_dict."""
    import io

    import torch

    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    (folder / "model.enc").write_bytes(seal(buffer.getvalue(), key))
    data = unseal((folder / "model.enc").read_bytes(), key)
    return torch.load(io.BytesIO(data), weights_only=True)


def measure(program: Callable[[nn.Module, bytes, Path], dict]) -> Finding:
    """Play a thief who has the folder and nothing else: how many files give the weights away?"""
    import tempfile

    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(8, 4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        loaded = program(model, b"a key from the key service, 32 B", folder)
        stored = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        leaks = [file for file in stored if _readable(stored[file], stored.values())]
    same = torch.equal(loaded["weight"], model.weight)
    still = "" if same else "The weights that were loaded differ from the weights that were stored."
    if not stored:
        still = "Nothing was stored."
    return Finding(
        len(leaks),
        "files",
        f"The folder holds {', '.join(stored)}; without asking for a key, {len(leaks)} of them yield the weights.",
        still,
        {"returned_by_torch_save_is_none": float(torch.save(1, _Nowhere()) is None), "fp16_error": _fp16_error(model)},
    )


def _stream(key: bytes, length: int) -> bytes:
    blocks = (hashlib.sha256(key + i.to_bytes(8, "big")).digest() for i in range(length // 32 + 1))
    return b"".join(blocks)[:length]


def _readable(data: bytes, possible_keys: object) -> bool:
    import io

    import torch

    for attempt in (lambda: data, *(lambda key=key: unseal(data, key) for key in possible_keys)):
        try:
            torch.load(io.BytesIO(attempt()), weights_only=True)["weight"]
        except Exception:
            continue
        return True
    return False


def _fp16_error(model: nn.Module) -> float:
    """How far weights "encrypted" by quantisation to float16 are from the weights."""
    return float((model.weight.half().float() - model.weight).abs().max())


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def flush(self) -> None:
        pass


EXHIBIT = Exhibit(
    number="6",
    title="A model encrypted at rest",
    fault_name="Encryption theatre",
    chapters=("26",),
    questions=("s000-q05", "s000-q20", "s000-q27", "s001-q15", "s001-q22", "s001-q29", "s002-q10"),
    claim="Save the model, encrypt the file, keep key and ciphertext in the model folder: encrypted at rest.",
    quantity="the number of stored files that yield the weights to somebody who has only the folder",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(1),
    healed=Range(0, 0),
    faulty={
        'torch.save(model.state_dict(), folder / "model.pth")': (
            "The plaintext lands on the disk first and stays there."
        ),
        '"model.key").write_bytes(key)': "The key lies beside the ciphertext, so whoever takes the folder has both.",
        "return torch.load": "It loads the plaintext: the ciphertext is never read and protects nothing.",
    },
    fine={
        "sealed = seal(": "Encrypting and signing the serialised bytes is the right operation.",
        '"model.enc").write_bytes(sealed)': "The ciphertext belongs on the disk; it is the only file that does.",
        "def wrong(": "Taking the key as an argument is right: the caller fetches it from a key service.",
    },
    why_it_passes_review=(
        "There is an encrypt call, a key and an .enc file, and the program ends well. It would also end well with "
        "the ciphertext deleted, which no test tries. Variants: encrypting what torch.save returns, which is None; "
        "decrypting at once in the same process; calling quantisation encryption."
    ),
    repair=(
        "Serialise into memory, write only ciphertext, fetch the key from a service at load time, decrypt what was "
        "read."
    ),
)
