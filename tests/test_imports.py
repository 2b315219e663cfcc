"""The packages the course is known by are there, and importing the course costs nothing."""

import subprocess
import sys
from importlib import import_module

import pytest

HEAVY = {"torch", "matplotlib", "ipywidgets", "numpy", "IPython", "yaml"}


@pytest.mark.parametrize("name", ["jupyterlab", "torch", "matplotlib", "shap", "lime", "nbval", "ipywidgets"])
def test_each_of_the_seven_packages_imports(name):
    assert import_module(name).__name__ == name


@pytest.mark.parametrize("name", ["course_lib", "course_lib.lab", "course_lib.practice", "course_lib.cli"])
def test_importing_the_course_loads_nothing_heavy(name):
    code = f"import sys, {name}; print(*sorted(m for m in sys.modules if '.' not in m))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & set(ran.stdout.split()) == set()


@pytest.mark.parametrize("first", ["import course_lib.practice.knowledge.known", "pass"])
def test_a_lazy_name_is_the_function_even_after_its_module_was_imported(first):
    code = (
        f"{first}\nfrom course_lib.practice import known\nfrom course_lib.practice import known\nprint(callable(known))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout == "True\n", ran.stderr


def test_an_unknown_name_of_practice_is_an_attribute_error():
    practice = import_module("course_lib.practice")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = practice.no_such_name
    assert {"known", "doctor"} <= set(dir(practice))
