"""Lines of several ranks: whole, prefixed, in order where outputs are compared."""

import pytest

from course_lib.lab.gang.output import Output
from course_lib.lab.gang.progress import ProgressBar


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("COURSE_ORDERED", raising=False)


def test_whole_lines_are_shown_at_once_and_the_rest_at_the_end(live, capsys):
    output = Output(2)
    output.feed(1, b"step 1\nste")
    assert capsys.readouterr().out == "[rank 1] step 1\n"
    output.feed(0, b"other\n")
    output.feed(1, b"p 2")
    assert capsys.readouterr().out == "[rank 0] other\n"
    output.close()
    assert capsys.readouterr().out == "[rank 1] step 2\n"
    assert output.text(1) == "step 1\nstep 2\n"
    assert output.received == 6 + 10 + 3


def test_output_is_grouped_by_rank_where_it_is_compared(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    output = Output(3)
    for rank in (2, 0, 1, 0):
        output.feed(rank, f"from {rank}\n".encode())
    assert capsys.readouterr().out == ""
    output.close()
    assert capsys.readouterr().out == "[rank 0] from 0\n[rank 0] from 0\n[rank 1] from 1\n[rank 2] from 2\n"


def test_a_character_cut_in_two_is_put_together(live, capsys):
    output = Output(1)
    data = "θ = 1\n".encode()
    output.feed(0, data[:1])
    output.feed(0, data[1:])
    assert capsys.readouterr().out == "[rank 0] θ = 1\n"


def test_a_line_redrawn_in_place_shows_its_last_state(live, capsys):
    output = Output(1)
    output.feed(0, b"\r10%\r50%\r100%\nwindows\r\n")
    assert capsys.readouterr().out == "[rank 0] 100%\n[rank 0] windows\n"


def test_the_bar_tells_the_step_of_the_slowest_rank():
    bar = ProgressBar()
    bar.update(0, 30, 200, {"loss": 2.34567})
    bar.update(1, 10, 200, {"loss": 2.5, "name": "x"})
    assert bar.text() == "step 10 of 200, loss 2.5, name x"
    bar.close()


def test_the_bar_is_not_drawn_where_outputs_are_compared(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = ProgressBar()
    bar.update(0, 1, 2, {})
    bar.close()
    assert capsys.readouterr().err == ""


def test_the_bar_is_one_line_in_a_terminal(live, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = ProgressBar()
    for step in range(1, 51):
        bar.update(0, step, 50, {"loss": 0.5})
    bar.close()
    drawn = capsys.readouterr().err
    assert drawn.count("\n") == 1 and drawn.count("\r") == 2  # the first and the last: ten a second at most
    assert "step 50 of 50, loss 0.5" in drawn


def test_an_endless_print_is_cut_once_and_said(live, capsys, monkeypatch):
    monkeypatch.setattr("course_lib.lab.gang.output.KEPT", 1_000)
    output = Output(2)
    for _ in range(1_000):
        output.feed(0, b"again and again\n")
    output.feed(1, b"fine\n")
    output.close()
    said = capsys.readouterr().out
    assert said.count("the rest is not shown") == 1 and said.endswith("[rank 1] fine\n")
    assert len(output.text(0)) < 1_200 and output.received == 16_000 + 5


def test_a_line_without_an_end_is_cut_too(live, capsys, monkeypatch):
    monkeypatch.setattr("course_lib.lab.gang.output.KEPT", 1_000)
    output = Output(1)
    for _ in range(1_000):
        output.feed(0, b"dots......")
    output.close()
    assert capsys.readouterr().out.count("the rest is not shown") == 1 and len(output.text(0)) < 1_200
