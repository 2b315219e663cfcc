"""Which torch a machine gets, from where, and how uv is told what pip is configured with; pip and uv are fake ones."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.setup.fake import EDITABLE, WITH_UV, machine
from tools.bootstrap import pip_settings, torch_build
from tools.bootstrap.words import SetupError

CPU = "--no-deps torch==2.13.0+cpu"


def test_without_a_gpu_the_cpu_build_is_taken_and_its_size_told_first(course, monkeypatch):
    machine(monkeypatch, gpu=False)
    monkeypatch.setenv("FAKE_CPU", "own")
    calls, said = course()
    assert calls[2:] == [f"{WITH_UV} {CPU}", f"{WITH_UV} -r ROOT/requirements.lock", f"{WITH_UV} {EDITABLE}"]
    first = said.splitlines()[0]
    assert "torch's CPU build (no GPU is seen here)" in first and "0.47 GB to fetch and 1.8 GB on disk" in first


def test_pytorchs_own_index_is_named_for_torch_alone_and_only_where_the_readers_has_none(course, monkeypatch):
    machine(monkeypatch, gpu=False)
    monkeypatch.setenv("FAKE_CPU", "index")
    monkeypatch.setenv("FAKE_CONFIG", "global.extra-index-url='https://mine.example/simple'\\n")
    calls, _ = course()
    assert calls[2:4] == [f"{WITH_UV} {CPU}"] * 2
    assert len(calls) == 6
    assert course.variables("uv")["UV_INDEX"] == "https://mine.example/simple"  # of the last call, the course itself
    assert "pytorch" not in "".join(calls)


def test_pip_alone_names_the_index_for_torch_alone_too(course, monkeypatch):
    machine(monkeypatch, gpu=False)
    monkeypatch.setenv("FAKE_CPU", "index")
    monkeypatch.setenv("FAKE_NO_UV", "1")
    calls, said = course()
    assert calls[3:] == [
        f"python -m pip install --extra-index-url {torch_build.CPU_INDEX} {CPU}",
        "python -m pip install -r ROOT/requirements.lock",
        f"python -m pip install {EDITABLE}",
    ]
    assert said.count("uv cannot be had here") == 1


def test_where_no_cpu_build_can_be_had_the_reader_is_told_before_the_other_is_fetched(course, monkeypatch):
    machine(monkeypatch, gpu=False)
    calls, said = course()
    assert "the one with CUDA follows, 3 GB to fetch and 5.8 GB on disk; to stop, press Ctrl-C" in said
    assert calls[-2:] == [f"{WITH_UV} -r ROOT/requirements.lock", f"{WITH_UV} {EDITABLE}"]
    assert "torch cuda\n" in (course.root / ".venv" / "course-setup.txt").read_text()


def test_a_build_that_was_asked_for_stays_until_another_is(course, monkeypatch):
    monkeypatch.setenv("FAKE_CPU", "own")
    _, said = course(torch="cpu")
    assert "torch's CPU build (as asked)" in said
    assert course() == ([], "")
    with course.lock.open("a") as lock:
        lock.write("gamma==3.0\n")
    assert course()[0][0] == f"{WITH_UV} {CPU}"  # on a machine with a GPU
    assert course(torch="cpu")[0] == []
    calls, said = course(torch="cuda")
    assert calls[0] == "python -m venv ROOT/.venv" and CPU not in "".join(calls)
    assert "torch with CUDA (as asked)" in said


def test_a_gpu_is_seen_by_its_device_file_or_by_nvidia_smi_and_not_by_the_driver_alone(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidiactl").touch()
    (tmp_path / "proc" / "driver" / "nvidia").mkdir(parents=True)
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    tool.chmod(0o755)
    assert not torch_build.sees_gpu(tmp_path, (str(tool), str(tmp_path / "none")))
    tool.write_text("#!/bin/sh\necho 'GPU 0: a card (UUID: x)'\n")
    assert torch_build.sees_gpu(tmp_path, (str(tool),))
    (tmp_path / "dev" / "nvidia0").touch()
    assert torch_build.sees_gpu(tmp_path, ())


def test_macos_has_one_build():
    assert torch_build.choose(None, "cpu", "darwin", gpu=False) == "default"
    assert torch_build.choose(None, "default", "linux", gpu=False) == "cpu"
    assert torch_build.cost("default") == "0.31 GB to fetch"


def test_what_is_told_of_the_disk_is_what_this_venv_takes():
    folder = Path(sys.prefix)
    found = [path.name for path in folder.glob("lib/python*/site-packages/torch-*.dist-info")]
    build = "default" if sys.platform != "linux" else "cpu" if any("+cpu" in name for name in found) else "cuda"
    told = torch_build.SIZES[build][1]
    if told is None or not (folder / "course-setup.txt").exists():
        pytest.skip("this Python is not in a .venv that the set-up made, or its size is not told")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e9
    assert 0.8 * told < size < 1.15 * told, f"{size:.2f} GB: correct SIZES in tools/bootstrap/torch_build.py"


def test_pips_settings_are_combined_as_pip_does():
    listing = (
        "global.find-links='/a'\ninstall.find-links='/b /c'\n:env:.find-links='/d'\nglobal.index-url='https://x/s'\n"
        "install.extra-index-url='https://y/s\\nhttps://z/s'\ndownload.index-url='https://no'\n:env:.timeout=''\n"
    )
    assert pip_settings.read(listing) == {
        "find-links": ["/d"],
        "index-url": ["https://x/s"],
        "extra-index-url": ["https://y/s", "https://z/s"],
    }


def test_uv_is_told_each_setting_and_no_address_stands_on_a_command_line():
    settings = {
        "index-url": ["https://me:secret@x/s"],
        "extra-index-url": ["https://y/s", "https://z/s"],
        "find-links": ["/a", "/b"],
        "constraint": ["/c.txt", "/d.txt"],
        "trusted-host": ["x"],
        "cert": ["/ca.pem"],
        "proxy": ["http://p:8"],
        "timeout": ["180"],
        "no-index": ["1"],
        "cache-dir": ["/cache"],
        "config-file": ["/dev/null"],
    }
    env, options = pip_settings.for_uv(settings, "https://first/s")
    assert env == {
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_DEFAULT_INDEX": "https://me:secret@x/s",
        "UV_INDEX": "https://first/s https://y/s https://z/s",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INSECURE_HOST": "x",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "180",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://p:8"),
    }
    assert options == ["--constraints", "/c.txt", "--constraints", "/d.txt", "--no-index"]


def test_the_readers_settings_reach_uv_and_those_for_uv_itself_count_more(course, monkeypatch):
    monkeypatch.setenv("FAKE_CONFIG", "global.index-url='https://x/s'\\nglobal.find-links='/a'\\nglobal.cert='/ca'\\n")
    monkeypatch.setenv("UV_FIND_LINKS", "/mine")
    monkeypatch.setenv("UV_TARGET", "/elsewhere")
    course()
    seen = course.variables("uv")
    assert (seen["UV_DEFAULT_INDEX"], seen["UV_FIND_LINKS"], seen["SSL_CERT_FILE"]) == ("https://x/s", "/mine", "/ca")
    assert "UV_TARGET" not in seen
    assert "https://x/s" not in (course.root / "build" / "setup.log").read_text()


def test_a_setting_that_uv_does_not_know_leaves_the_work_to_pip(course, monkeypatch):
    monkeypatch.setenv("FAKE_CONFIG", "global.only-binary=':all:'\\n")
    calls, said = course()
    assert [call.split()[0] for call in calls] == ["python"] * 3
    assert "pip is configured with only-binary, which uv does not know" in said


def test_what_uv_cannot_do_pip_tries_again_in_one_line(course, monkeypatch):
    monkeypatch.setenv("FAKE_UV", "error: Failed to fetch")
    calls, said = course()
    assert calls[-3:] == [
        f"{WITH_UV} -r ROOT/requirements.lock",
        "python -m pip install -r ROOT/requirements.lock",
        f"python -m pip install {EDITABLE}",
    ]
    assert len(re.findall(r"uv stopped .*: pip installs", said)) == 1


def test_pip_does_not_try_again_where_it_would_meet_the_same(course, monkeypatch):
    monkeypatch.setenv("FAKE_UV", "error: failed to copy file: No space left on device (os error 28)")
    with pytest.raises(SetupError, match="the disk is full"):
        course()
    assert course.installs()[-1] == f"{WITH_UV} -r ROOT/requirements.lock"


def test_a_uv_on_the_path_is_used(course, monkeypatch, tmp_path):
    there = tmp_path / "bin" / "uv"
    there.parent.mkdir()
    there.write_text(course.python.read_text())
    there.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name, **more: str(there) if name == "uv" else None)
    calls, _ = course()
    assert not any("pip install uv" in call for call in calls)
    there.write_text("#!/bin/sh\nexit 127\n")  # a shim that refuses
    (course.root / ".venv" / "course-setup.txt").write_text("being installed\n")
    assert any("pip install uv" in call for call in course()[0])
