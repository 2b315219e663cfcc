"""An interview picks, times, asks, checks and suggests; whatever interrupts it, what was answered is kept."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from course_lib import cli
from course_lib.practice import mock_plan, mock_widget
from course_lib.practice.mock_interview import Interview, rehearse
from course_lib.practice.mock_plan import Plan, begin, end, pick, resume, unfinished
from course_lib.practice.mock_terminal import run
from course_lib.practice.place import CourseError
from course_lib.practice.progress import Event, Progress
from course_lib.practice.questions import question
from course_lib.practice.report import Report

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC)
GOOD = (
    "One server receives and sends (n-1)K, its link is the bottleneck and grows with n. A ring is a reduce-scatter "
    "followed by an all-gather over n chunks with all links busy."
)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    return Progress.open()


def plan(*ids, minutes=30.0, language="en"):
    return Plan("s1", minutes, language, ids or ("c06-q01",), NOW)


def typed(*words):
    words = iter(words)

    def ask(prompt):
        word = next(words, EOFError)
        if isinstance(word, type):
            raise word
        return word

    return ask


def kinds(interview, replies):
    seen = []
    for reply in replies:
        seen.append(interview.prompt.kind)
        interview.reply(reply)
    return seen


def test_what_is_due_and_weak_is_picked_first(progress):
    for card, rating, share, days in (
        ("c06-q01", 4, 0.01, 0),
        ("c06-q02", 4, 1.0, 0),
        ("c06-q03", 3, 0.9, 30),
        ("c06-q04", 1, 0.1, 30),
    ):
        data = {"card": card, "deck": 1, "rating": rating, "share": share}
        progress.add([Event(NOW - timedelta(days=days), "quiz", card, "", data)])
    chosen = [question(each).id for each in pick(progress, 2, 30, seed=1).questions]
    assert len(chosen) == 5
    assert set(chosen[:3]) == {"s000-q16", "c06-q05", "c06-q06"} and chosen[3:] == ["c06-q04", "c06-q03"]
    rest = [question(each).id for each in pick(progress, 2, 42, seed=1).questions][5:]
    assert rest == ["c06-q01", "c06-q02"]  # not due, however weak; the weaker first


def test_the_pick_depends_on_the_seed_and_on_the_time_there_is(progress):
    assert pick(progress, minutes=30, seed=1).questions == pick(progress, minutes=30, seed=1).questions
    assert len({pick(progress, minutes=30, seed=seed).questions for seed in range(5)}) > 1
    assert [len(pick(progress, minutes=minutes).questions) for minutes in (1, 12, 480)] == [1, 2, 9]
    asked = {each for seed in range(30) for each in pick(progress, 2, 6, seed=seed).questions}
    assert asked & {"s003-q12", "s004-q05"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"part": 9}, "There is no part '9'"),
        ({"part": 5}, "Part 5_explainability has no answered question yet, all are planned: take 0_start or 2_para"),
        ({"minutes": 0}, "0 minutes is not possible"),
        ({"minutes": float("nan")}, "nan minutes is not possible"),
        ({"language": "de"}, "no interview in 'de'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(progress, arguments, said):
    with pytest.raises(CourseError) as caught:
        pick(progress, **arguments)
    assert said in str(caught.value) and "\n" not in str(caught.value)
    cell = import_module("course_lib.practice.mock").mock(**arguments)
    assert said in " ".join(repr(cell).split())
    assert progress.events() == []


def test_an_answer_opens_a_number_follow_ups_and_the_points(progress):
    interview = Interview(plan(), progress)
    replies = [GOOD, "1.5", "busbw, since it is what the link carries", "yes", ""]
    assert kinds(interview, replies) == ["answer", "number", "follow-up", "judge", "points"]
    assert interview.prompt is None
    (result,) = interview.results
    assert result.suggested == result.said == [1, 2]
    assert result.number["right"] and result.follow_ups[1]["judged"] == "yes"


def test_a_better_answer_opens_both_follow_ups_and_a_weak_one_the_nearest():
    strong = rehearse("c06-q01", [question("c06-q01").answer.long])
    assert strong.results[0].planned == [0, 1]
    weak = rehearse("c06-q01", ["Each rank sends 2(n-1)/n K, less than twice the tensor, so 2(n-1)K in all."])
    assert len(weak.results[0].planned) == 1


def test_the_clock_ends_the_interview_after_the_present_question(progress):
    clock = Clock()
    interview = Interview(plan("c06-q01", "c06-q02", "c06-q03", minutes=10), progress, clock=clock)
    clock.now = 120
    assert interview.reply(GOOD)[0].endswith("in 2:00 min; 3:00 min are usual.")
    for reply in ("1.5", "x", "no", "all"):
        interview.reply(reply)
    assert interview.prompt.kind == "answer" and len(interview.results) == 2
    clock.now = 601
    interview.reply("late " + GOOD)
    assert interview.prompt.kind == "points"
    interview.reply("none")
    assert interview.prompt is None and interview.results[1].seconds == 481
    assert [event.data["spent"] for event in progress.events("mock")][-1] == 601


def test_numbers_are_checked_with_their_unit_and_tolerance(progress):
    interview = Interview(plan("c00-q02"), progress)
    interview.reply("six N D over GPUs times peak times utilisation")
    assert "take ____ days" in interview.prompt.text
    assert interview.reply("4.8 GB")[0].startswith(
        "'GB' measures data, and the answer does not: give the number in days"
    )
    assert interview.reply("")[0].startswith("There is no number yet")
    assert interview.prompt.kind == "number"
    assert interview.reply("116 hours") == ["Right, within 5 %: 4.8 days."]
    assert interview.results[0].number["right"]


def test_an_empty_answer_is_asked_again_and_a_passed_one_shows_the_points(progress):
    interview = Interview(plan(), progress)
    for empty in ("", "  \n "):
        assert interview.reply(empty) == ["Nothing was typed: type your answer, or skip to pass on this question."]
    assert interview.prompt.kind == "answer" and progress.events() == []
    assert "0 of 5 points said." in interview.reply("skip")[0]
    assert interview.prompt is None and interview.results[0].said == []
    follow = Interview(plan(), progress)
    for reply in (GOOD, "skip"):
        follow.reply(reply)
    assert follow.reply("skip")[0].startswith("An answer: ")
    assert follow.prompt.kind == "points" and follow.results[0].follow_ups[1] == {"text": "", "judged": "no"}


def test_an_enormous_answer_is_kept_whole_and_judged_by_its_beginning(progress, tmp_path):
    interview = Interview(plan(), progress)
    text = GOOD + " word" * 200_000
    began = time.monotonic()
    told = interview.reply(text)
    assert time.monotonic() - began < 20
    assert told[0] == "That is 1,000,170 characters: only the first 20,000 are compared with the points."
    assert (tmp_path / "interviews" / "s1-c06-q01.txt").read_text() == text
    assert interview.results[0].suggested == [1, 2] and len(interview.results[0].text) == 100_000
    assert len(Report(interview).html) < 20_000


def test_replies_that_make_no_sense_leave_the_prompt(progress):
    interview = rehearse("c06-q01", [GOOD, "skip", "x"])
    assert interview.reply("maybe") == ["Type yes, partly or no, or the first letter."]
    interview.reply("p")
    for bad in ("0", "6", "x", "1 x"):
        assert "numbers from 1 to 5" in interview.reply(bad)[0]
    interview.reply("1, 3")
    assert interview.results[0].said == [1, 3] and interview.reply("more") == ["The interview is over."]


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
        "from course_lib.practice.progress import Progress\n"
        "from course_lib.practice.mock_plan import begin, pick\n"
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
    from course_lib.practice.quiz_schedule import schedule
    from course_lib.practice.standing import standing

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


def test_the_report_says_what_was_missed_and_where_to_read(tmp_path):
    interview = rehearse("c06-q01", [GOOD + " <b>", "7", "skip", "1 2"])
    report = Report(interview, links="notebooks")
    told = " ".join(report.summary())
    assert "1 question of 1 answered in 6:40 min. 2 of 5 must-say points said. 0 of 1 number right." in told
    ((title, where, why),) = report.reading()
    assert title == "Chapter 06, data parallel" and where == "notebooks/2_parallelism/06_data_parallel.ipynb"
    assert why.startswith("c06-q01: 3 points missed and the number was wrong; cells evidence-")
    files = report.save(tmp_path / "new")
    markdown, html = (file.read_text() for file in files)
    assert f"[Chapter 06, data parallel]({where})" in markdown and "- failed: missed: No algorithm" in markdown
    assert f'href="{where}">' in html and "&lt;b&gt;" in html and "<b>" not in html
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


def everything(box):
    for child in box.children:
        yield child
        yield from everything(child) if hasattr(child, "children") else ()


def press(box, name):
    next(child for child in everything(box) if getattr(child, "description", "") == name).click()


def texts(box):
    return " ".join(str(getattr(child, "value", "")) for child in everything(box))


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
    assert "3 of 5 must-say points said" in texts(second.box) and unfinished(progress) is None


def test_the_cell_is_text_where_nobody_is_there(progress, monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    bundle = import_module("course_lib.practice.mock").mock(2)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} and "Mock interview: 30 minutes, part 2" in bundle["text/plain"]


def test_a_session_has_a_name_of_its_own(progress):
    assert len({pick(progress, seed=seed).session for seed in range(5)}) == 5
    assert mock_plan.VERSION == 1
