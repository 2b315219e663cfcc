"""The fake course that the tests of the set-up share."""

import shutil
from pathlib import Path

import pytest

from tests.setup.fake import Course, machine


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    """A course on a machine with a GPU, so that torch comes with the rest."""
    for name in ("FAKE_PIP", "FAKE_UV", "FAKE_CPU", "FAKE_NO_UV", "FAKE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "uv" else which(name, **more))
    machine(monkeypatch, gpu=True)
    return Course(tmp_path)
