"""`course museum`: list, run, spot; and none of the heavy libraries for the list."""

import io
import subprocess
import sys

import pytest

from course_lib.museum import cli


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))


def test_listing_loads_no_heavy_library():
    code = (
        "import sys; from course_lib.museum.cli import main; main([]); "
        "print(sorted({'torch', 'numpy', 'sklearn', 'matplotlib', 'ipywidgets', 'IPython'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert " E4  Utilisation of a training run  (chapter 01)" in done.stdout
    assert "38 exhibits." in done.stdout


def test_list_of_a_chapter(capsys):
    assert cli.main(["--chapter", "6"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:5]] == ["1", "2", "5", "17", "19"]
    assert cli.main(["--chapter", "99"]) == 0
    assert "No exhibit hangs in chapter 99." in capsys.readouterr().out


def test_run_one(capsys):
    assert cli.main(["e7"]) == 0
    out = capsys.readouterr().out
    assert out.index("hours = days / burn_rate") < out.index("2.08 hours") < out.index("days * 24 / burn_rate")


def test_unknown_number(capsys):
    assert cli.main(["99"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("There is no exhibit '99'") and said.count("\n") == 1


def test_spot_goes_on_until_all_faulty_lines_are_found(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("8\nten\n10\n7\n"))
    assert cli.main(["22", "--spot"]) == 0
    out = capsys.readouterr().out
    assert "Line 8 is not at fault" in out or "Yes, line 8" in out
    assert "'ten' is not a line number" in out
    assert "The repair: Grant all or nothing" in out


def test_giving_up_names_the_lines(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert cli.main(["16", "--spot"]) == 0
    assert "line 5: It finds entries by hash" in capsys.readouterr().out


def test_spot_needs_a_number(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--spot"])
    assert "needs an exhibit" in capsys.readouterr().err


def test_the_course_command_has_it(capsys):
    from course_lib.cli import main

    assert main(["museum", "--chapter", "6"]) == 0
    assert "DDP with the usual loader" in capsys.readouterr().out
    assert main(["museum", "99"]) == 1
