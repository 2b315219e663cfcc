"""A mock interview that is interrupted, killed or edited loses nothing, in a terminal or a cell."""

import os
import signal
import subprocess
import sys
from importlib import import_module

import pytest

from course_lib import cli
from course_lib.practice.desk.place import CourseError
from course_lib.practice.interview import plan as mock_plan
from course_lib.practice.interview import widget as mock_widget
from course_lib.practice.interview.interview import Interview, rehearse
from course_lib.practice.interview.plan import pick
from course_lib.practice.interview.reading import links_from_here, notebook_links
from course_lib.practice.interview.report import Report
from course_lib.practice.interview.sittings import begin, end, resume, unfinished
from course_lib.practice.interview.terminal import run
from course_lib.practice.record.progress import Progress, data_folder
from tests.practice.interview.mock_replies import GOOD, ROOT, Clock, everything, plan, press, typed


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    return Progress.open()


def test_an_interrupted_interview_goes_on_where_it_was(progress, capsys):
    interview = begin(progress, plan("c06-q01", "c06-q02"), clock=Clock())
    assert not run(interview, typed(GOOD, "", "1.5", "first line", KeyboardInterrupt))
    assert "Stopped. Everything so far is kept: course mock --resume goes on here." in capsys.readouterr().out
    clock = Clock()
    again = resume(progress, clock=clock)
    assert len(again.results) == 1
    assert again.results[0].text == GOOD and again.results[0].number["right"]
    assert (again.prompt.kind, again.draft) == ("follow-up", "first line")
    assert run(again, typed("second line", "", "y", "", "skip"))
    said = capsys.readouterr().out
    assert "Question 1 of 2 (c06-q01), 30 minutes left\nWhy are gradients averaged" in said
    assert again.results[0].follow_ups[1] == {"text": "first line\nsecond line", "judged": "yes"}
    end(progress, again)
    assert unfinished(progress) is None
    with pytest.raises(CourseError, match="no interrupted interview: begin one with course mock"):
        resume(progress)


def test_a_resumed_interview_has_the_time_that_is_left(progress):
    clock = Clock()
    interview = begin(progress, plan("c06-q01", "c06-q02", minutes=10), clock=clock)
    clock.now = 590
    interview.reply("skip")
    later = Clock()
    later.now = 5000
    again = resume(progress, clock=later)
    assert again.elapsed == 590 and again.prompt is not None
    later.now = 5011
    assert again.over


def test_an_answer_that_was_interrupted_took_the_time_of_both_sittings(progress):
    clock = Clock()
    interview = begin(progress, plan("c06-q01", "c06-q02"), clock=clock)
    clock.now = 50
    interview.reply("skip")
    clock.now = 80
    interview.keep_draft("half")
    later = Clock()
    again = resume(progress, clock=later)
    later.now = 20
    again.reply("half and the rest")
    assert again.results[1].seconds == 50


def test_a_killed_process_loses_nothing_that_was_sent(progress, tmp_path):
    code = (
        "import sys, time\n"
        "from course_lib.practice.record.progress import Progress\n"
        "from course_lib.practice.interview.plan import pick\n"
        "from course_lib.practice.interview.sittings import begin\n"
        "i = begin(Progress.open(), pick(Progress.open(), 2, 12, seed=3))\n"
        "i.reply('an answer about gradients'); print('sent', flush=True); time.sleep(60)"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    assert child.stdout.readline() == "sent\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert resume(progress).results[0].text == "an answer about gradients"


def test_state_of_a_newer_version_or_malformed_is_one_sentence_and_stays(progress):
    about = {"act": "begin", "session": "s9", "minutes": 30, "language": "en", "questions": ["c06-q01"]}
    for data, said in (
        (about | {"version": 2}, "begun by a newer version of the course: it is kept; update the course"),
        (about | {"version": 1, "questions": ["c99-q01"]}, "cannot be read"),
        (about | {"version": 1, "questions": None}, "cannot be read"),
        (about | {"version": 1, "minutes": "x"}, "cannot be read"),
        (about | {"version": 1, "language": "de"}, "cannot be read"),
    ):
        progress.record("mock", "s9", **data)
        with pytest.raises(CourseError) as caught:
            resume(progress)
        assert said in str(caught.value) and "\n" not in str(caught.value)
    assert len(progress.events("mock")) == 5


def test_a_reply_that_was_edited_is_asked_again(progress):
    begin(progress, plan("c06-q01", "c06-q02"))
    about = {"session": "s1", "version": 1, "spent": 5}
    progress.record("mock", "c06-q01/answer", act="answer", text="x", seconds="many", **about)
    again = resume(progress)
    assert (again.prompt.kind, again.current.question) == ("answer", "c06-q01")
    answer = {"text": "x", "seconds": 1, "suggested": [], "number_card": None, "planned": []}
    progress.record("mock", "c06-q02/answer", act="answer", **answer, **about)
    again = resume(progress)
    assert (again.prompt.kind, again.current.question) == ("answer", "c06-q01")


def test_an_answered_question_counts_as_practised_and_for_its_schedule(progress):
    from course_lib.practice.cards.schedule import schedule
    from course_lib.practice.record.standing import standing

    interview = Interview(plan("s003-q12"), progress)
    interview.reply("skip")
    records = {each.id: each for chapter in standing() for each in chapter.questions}
    assert records["s000-q16"].practised == 1
    assert schedule(progress).due("s000-q16") is not None


def test_chinese_interviews_ask_and_judge_in_chinese():
    text = "单台 server 要收发各 (n-1)K，瓶颈在它那条链路，并且随 n 增长。代价是延迟，2(n-1) 次串行消息。"  # noqa: RUF001
    interview = rehearse("c06-q01", [text], language="zh")
    assert interview.results[0].suggested == [1, 5]
    assert "四个 rank 是 ____ K" in interview.prompt.text
    told = rehearse("c06-q01", [], language="zh").reply(text)
    assert told[-1].startswith(f"{len(''.join(text.split()))} characters in ")
    assert "parameter server" in repr(Report(interview)) and "Why are gradients" not in repr(Report(interview))


def test_the_report_says_what_was_missed_and_where_to_read(tmp_path):
    interview = rehearse("c06-q01", [GOOD + " <b>", "7", "skip", "1 2"])
    report = Report(interview, links="notebooks")
    told = " ".join(report.summary())
    assert "1 question of 1 answered in 6:40 min. 2 of 5 must-say points said. 0 of 1 number right." in told
    (chapter,) = report.reading()
    where = "notebooks/2_parallelism/06_data_parallel.ipynb"
    assert (chapter.title, chapter.where) == ("Chapter 06, data parallel", where)
    (missed,) = chapter.missed
    assert (missed.question, missed.why) == ("c06-q01", "3 points missed and the number was wrong")
    assert ("The ring", f"{where}#The-ring") in missed.sections
    assert f"{where}#The-obvious-way,-and-why-it-fails" in dict(missed.sections).values()
    files = report.save(tmp_path / "new")
    markdown, html = (file.read_text() for file in files)
    assert f"[Chapter 06, data parallel]({where})" in markdown and "- missed: No algorithm" in markdown
    assert "c06-q01: 3 points missed and the number was wrong; [The obvious way" in markdown
    assert f'href="{where}">' in html and f'href="{where}#The-ring">The ring</a>' in html
    assert "&lt;b&gt;" in html and "<b>" not in html
    assert 'lang="en"' in html and "must-say" in repr(report)


def test_a_report_that_cannot_be_written_leaves_the_interview_open(progress, tmp_path, monkeypatch):
    begin(progress, plan())
    monkeypatch.setattr("builtins.input", typed("skip"))
    (tmp_path / "file").write_text("")
    assert cli.main(["mock", "--resume", "--out", str(tmp_path / "file")]) == 1
    assert unfinished(progress) is not None
    assert cli.main(["mock", "--resume", "--out", str(tmp_path / "reports")]) == 0
    assert len(list((tmp_path / "reports").iterdir())) == 2 and unfinished(progress) is None


def test_the_command_line_runs_a_whole_interview(progress, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("builtins.input", typed("skip", EOFError))
    assert cli.main(["mock", "--minutes", "12", "--part", "2"]) == 130
    monkeypatch.setattr("builtins.input", typed("skip"))
    assert cli.main(["mock", "--resume"]) == 0
    said = capsys.readouterr().out
    assert (
        "Question 2 of 2" in said
        and "0 questions of 2 answered" in said
        and "2 skipped." in said
        and "To read: Chapter 06" in said
    )
    assert len(list((tmp_path / "interviews").glob("*.html"))) == 1
    for words, error in ((["--part", "x"], "There is no part 'x'"), (["--resume"], "no interrupted interview")):
        assert cli.main(["mock", *words]) == 1
        assert error in capsys.readouterr().err


def type_in(box, words):
    next(child for child in everything(box) if type(child).__name__ == "Textarea").value = words
    press(box, "Send")


def texts(box):
    shown = [str(getattr(child, "value", "")) for child in everything(box)]
    return " ".join(shown + [str(getattr(child, "outputs", "")) for child in everything(box)])


def test_the_widget_goes_through_an_interview_and_on_with_an_interrupted_one(progress, monkeypatch):
    monkeypatch.setattr(mock_widget, "pick", lambda *_: plan())
    first = mock_widget.MockWidget(2, 6)
    press(first.box, "Begin")
    press(first.box, "Send")
    assert "Nothing was typed" in texts(first.box)
    next(child for child in everything(first.box) if type(child).__name__ == "Textarea").value = "half an answer"
    second = mock_widget.MockWidget(2, 6)
    press(second.box, "Go on")
    field = next(child for child in everything(second.box) if type(child).__name__ == "Textarea")
    assert field.value == "half an answer"
    field.value = GOOD
    press(second.box, "Send")
    number = next(child for child in everything(second.box) if type(child).__name__ == "Text")
    number.value = "1.5 days"
    press(second.box, "Send")
    assert "'days' measures time" in texts(second.box).replace("&#x27;", "'")
    assert number in list(everything(second.box)) and number.value == "1.5 days"
    number.value = "1.5 K"
    press(second.box, "Send")
    assert "Right: 1.5." in texts(second.box)
    press(second.box, "Skip")
    boxes = [child for child in everything(second.box) if type(child).__name__ == "Checkbox"]
    assert [box.value for box in boxes] == [True, True, False, False, False]
    boxes[4].value = True
    press(second.box, "Send")
    report = texts(second.box)
    assert "3 of 5 must-say points said" in report and unfinished(progress) is None
    (page,) = (data_folder() / "interviews").glob("*.html")
    assert str(page) in report and page.with_suffix(".md").exists()
    assert f'href="{notebook_links()}/2_parallelism/06_data_parallel.ipynb' in page.read_text()


def test_links_of_the_report_in_a_cell_start_where_the_notebook_is(tmp_path, monkeypatch):
    monkeypatch.setattr("course_lib.practice.desk.place.workspace", lambda: tmp_path / "work")
    (tmp_path / "work" / "2_parallelism").mkdir(parents=True)
    (tmp_path / "work" / "00_start_here.ipynb").write_text("{}")
    found = []
    for folder in ("work", "work/2_parallelism", "."):
        monkeypatch.chdir(tmp_path / folder)
        found.append(links_from_here())
    assert found == ["", "..", "work"]


def test_the_widget_shows_what_was_typed_beside_the_answer_it_is_compared_with(progress, monkeypatch):
    monkeypatch.setattr(mock_widget, "pick", lambda *_: plan())
    mock = mock_widget.MockWidget(2, 6, intro="<p>Mock interview</p>")
    assert "Mock interview" in texts(mock.box)
    press(mock.box, "Begin")
    assert "course-clock 180s" in texts(mock.box)
    type_in(mock.box, GOOD)
    press(mock.box, "Skip")  # the number
    type_in(mock.box, "my own <words>")
    assert "my own &lt;words&gt;" in texts(mock.box) and "An answer:" in texts(mock.box)
    press(mock.box, "partly")
    points = texts(mock.box)
    assert "One server receives and sends" in points and "Must say" in points
    assert any("<code>" in getattr(child, "description", "") for child in everything(mock.box))
    press(mock.box, "Send")
    assert "follow-up" in texts(mock.box) and "partly" in texts(mock.box)


def test_the_widget_keeps_the_interview_open_where_its_report_cannot_be_written(progress, monkeypatch):
    monkeypatch.setattr(mock_widget, "pick", lambda *_: plan())
    (data_folder() / "interviews").write_text("a file in the way")
    mock = mock_widget.MockWidget(2, 6)
    press(mock.box, "Begin")
    press(mock.box, "Skip")
    assert "The report cannot be written to" in texts(mock.box) and "1 skipped." in texts(mock.box)
    assert unfinished(progress) is not None


def test_the_cell_is_text_where_nobody_is_there(progress, monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    bundle = import_module("course_lib.practice.interview.mock").mock(2)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} and "Mock interview: 30 minutes, part 2" in bundle["text/plain"]


def test_a_session_has_a_name_of_its_own(progress):
    assert len({pick(progress, seed=seed).session for seed in range(5)}) == 5
    assert mock_plan.VERSION == 1
