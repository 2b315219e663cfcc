"""One lock behind three doors (make, pip, conda), and a built package that carries its data and its pins."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from course_lib.lab.doctor import unsatisfied

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
PINS = {
    canonicalize_name(pin.name): pin
    for pin in (Requirement(line) for line in LOCK.splitlines() if line.strip() and not line.startswith("#"))
}
KNOWN_BY = {"jupyterlab", "torch", "matplotlib", "shap", "lime", "nbval", "ipywidgets"}


def test_pyproject_and_conda_read_the_lock_and_name_no_version_of_their_own():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["dependencies"]
    assert "dependencies" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["dependencies"] == {"file": ["requirements.lock"]}

    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert [entry for entry in conda if isinstance(entry, dict)] == [{"pip": ["-r requirements.lock", "-e ."]}]
    assert sorted(entry.split("=")[0] for entry in conda if isinstance(entry, str)) == ["pip", "python"]
    assert "python=3.11" in conda


def test_every_pin_is_one_exact_version_without_build_host_or_hash():
    for pin in PINS.values():
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(pin.specifier)), pin
        assert pin.url is None
    assert str(PINS["torch"].specifier) == "==2.13.0"
    assert not re.search(r"https?:|file:|--hash|--index|--find-links|@", LOCK)


def test_the_seven_packages_stand_first():
    first = LOCK.split("\n\n")[1].splitlines()[1:]
    assert {Requirement(line).name for line in first} == KNOWN_BY


def test_installed_versions_equal_the_lock():
    assert unsatisfied(LOCK.splitlines()) == []


def test_reading_a_notebook_builds_no_grammar():
    """It would take 1.6 s of CPU time in each process that reads one: a check of a kernel, a test, `course`."""
    code = "import sys, nbformat; print('lark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_pin_takes_the_first_release_of_every_python_that_is_named():
    from importlib.metadata import metadata

    refused = [
        f"{name} needs Python {told}"
        for name, pin in PINS.items()
        if (pin.marker is None or pin.marker.evaluate()) and (told := metadata(name)["Requires-Python"])
        if not all(SpecifierSet(told).contains(version) for version in ("3.11.0", "3.12.0", "3.13.0"))
    ]
    # Debian 12 has Python 3.11.2; pip's own words for such a pin are only that there is no such version.
    assert refused == []


def test_the_lock_is_closed_and_holds_nothing_that_nobody_asked_for():
    from importlib.metadata import requires

    sections = LOCK.split("\n\n")
    asked = [Requirement(line) for part in sections[1:3] for line in part.splitlines() if not line.startswith("#")]
    seen, todo = set(), [(canonicalize_name(pin.name), frozenset(pin.extras)) for pin in asked]
    while todo:
        name, extras = entry = todo.pop()
        if entry in seen:
            continue
        seen.add(entry)
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # torch's own pins for GPUs on Linux
        assert name in PINS, f"{name} is needed and not in requirements.lock"
        for needed in map(Requirement, requires(name) or ()):
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in extras or {""}):
                todo.append((canonicalize_name(needed.name), frozenset(needed.extras)))
    here = {name for name, pin in PINS.items() if pin.marker is None or pin.marker.evaluate()}
    assert here - {name for name, _ in seen} == set()


def test_a_built_package_carries_its_data(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "course_lib", source / "course_lib", ignore=ignore)
    for name in ("pyproject.toml", "requirements.lock", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = "import setuptools.build_meta as b, sys; b.build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (wheel,) = tmp_path.glob("*.whl")
    shutil.unpack_archive(wheel, tmp_path / "wheel", "zip")
    kinds = (".json", ".yaml", ".txt", ".bz2", ".gz", ".safetensors")
    data = [path for path in (ROOT / "course_lib").rglob("*") if path.suffix in kinds]
    assert data
    for path in data:
        assert (tmp_path / "wheel" / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    (told,) = (tmp_path / "wheel").glob("*.dist-info/METADATA")
    assert "Requires-Dist: torch==2.13.0\n" in told.read_text()
    (points,) = (tmp_path / "wheel").glob("*.dist-info/entry_points.txt")
    assert "course = course_lib.cli:main" in points.read_text()
