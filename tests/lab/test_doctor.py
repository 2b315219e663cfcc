"""The doctor says what is missing, each with its remedy, and calls nothing missing that the course can do without."""

import shutil
import socket
import sys
import tempfile
from collections import namedtuple
from importlib import metadata

import pytest
import torch

from course_lib.lab import doctor, doctor_torch
from course_lib.lab.doctor import Finding, Findings, findings, unsatisfied

Usage = namedtuple("Usage", "total used free")


def by_name(found):
    return {finding.name: finding for finding in found}


def test_this_machine_can_take_the_course(tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text(f"# a comment\npytest=={metadata.version('pytest')}\n")
    found = findings(requirements=pins, workspace=tmp_path / "work")
    assert found.missing == []
    names = {"Python", "requirements", "JupyterLab", "cores", "memory", "disk", "torch", "accelerator", "loopback"}
    assert names | {"gloo", "compiler", "workspace", "git"} <= set(by_name(found))
    assert not (tmp_path / "work").exists()
    assert all(finding.remedy for finding in found if finding.status != "ok")


def test_without_facts_of_a_course_only_the_machine_is_looked_at():
    assert {"requirements", "workspace"} & set(by_name(findings())) == set()


def test_pins_are_compared_with_what_is_installed():
    torch = metadata.version("torch").split("+")[0]
    assert unsatisfied([f"torch=={torch}", "", "# x", "no-such-package==1.0 ; sys_platform == 'win32'"]) == []
    assert unsatisfied(["torch==1.0"]) == [f"torch==1.0 (has {metadata.version('torch')})"]
    assert unsatisfied(["no-such-package==1.0"]) == ["no-such-package==1.0 (not installed)"]


def test_a_differing_or_lost_lock_is_missing_with_a_remedy(tmp_path):
    pins = tmp_path / "requirements.lock"
    pins.write_text("a-a==1\nb-b==1\nc-c==1\nd-d==1\n")
    found = doctor._requirements(pins)
    assert found.status == "missing" and "and 1 more" in found.what and "make lab" in found.remedy
    assert doctor._requirements(tmp_path / "lost.lock").status == "missing"


def test_a_missing_compiler_is_a_note_that_names_what_is_skipped(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = doctor._compiler()
    assert found.status == "note"
    assert "Only the cells with torch.compile are skipped" in found.remedy
    assert doctor._git().status == "note"


def test_a_compiler_that_does_not_run_is_not_called_one(monkeypatch, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert doctor._compiler().status == "note"


def test_an_old_python_is_missing(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    assert doctor._python().status == "missing"


def test_small_machines_get_notes(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "available_cores", lambda: 1)
    monkeypatch.setattr(doctor, "available_memory", lambda: 2 * 2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(64 * 2**20, 0, 2**20))
    looks = [doctor._cores(), doctor._memory(), doctor._disk(tmp_path), doctor._shared_memory(tmp_path)]
    assert [finding.status for finding in looks] == ["note"] * 4
    assert "--shm-size" in looks[3].remedy
    assert doctor._shared_memory(tmp_path / "none") is None


def test_a_refused_loopback_is_missing(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(socket, "create_server", refuse)
    found = doctor._loopback()
    assert found.status == "missing" and "Operation not permitted" in found.what


def test_a_workspace_that_cannot_be_written_is_missing(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    found = doctor._writable(blocked / "work")
    assert found.status == "missing" and "--work" in found.remedy


def test_a_torch_that_cannot_be_imported_is_missing_and_nothing_else_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert doctor_torch.torch_itself().status == "missing"
    assert doctor_torch.accelerator() is None and doctor_torch.gloo() is None


def without_gpu(monkeypatch, cuda, driver):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/nvidia-smi" if driver else None)
    return doctor_torch.accelerator()


def test_a_cuda_build_without_a_gpu_is_a_note_with_what_it_costs(monkeypatch):
    found = without_gpu(monkeypatch, "13.0", driver=False)
    assert found.status == "note" and "CUDA 13.0, which nothing here can use" in found.what
    assert "2.7 GB of memory" in found.remedy and "make lab TORCH=cpu" in found.remedy


def test_a_cpu_build_without_a_gpu_is_as_it_should_be(monkeypatch):
    assert without_gpu(monkeypatch, None, driver=False).status == "ok"


def test_a_driver_whose_gpu_torch_does_not_find_is_a_note_with_the_way_out(monkeypatch):
    assert "Update the driver" in without_gpu(monkeypatch, "13.0", driver=True).remedy
    assert "make lab TORCH=cuda" in without_gpu(monkeypatch, None, driver=True).remedy


def test_a_temporary_folder_that_is_too_long_for_a_socket_is_named(monkeypatch, tmp_path_factory):
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert doctor._socket_folder() is None
    folder = tmp_path_factory.mktemp("long") / ("x" * 90)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    found = doctor._socket_folder()
    assert found.status == "note" and f"has {len(str(folder))} bytes" in found.what and "such as /tmp" in found.remedy
    assert list(folder.iterdir()) == []


def test_a_temporary_folder_that_takes_no_socket_is_not_called_too_long(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    found = doctor._socket_folder()
    assert found.what == "/no/such/folder takes no socket (No such file or directory)"


@pytest.mark.parametrize("status", ["note", "missing"])
def test_a_finding_shows_as_text_and_as_html_that_is_escaped(status):
    found = Findings([Finding("gcc", status, "<none>", "install it")])
    assert str(found) == f"{status:<8} gcc  <none>\n           install it"
    assert "&lt;none&gt;" in found._repr_html_() and "<none>" not in found._repr_html_()
    assert len(found.missing) == (status == "missing")
