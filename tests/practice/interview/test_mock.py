"""An interview picks, times, asks, checks and suggests; whatever interrupts it, what was answered is kept."""

import time
from datetime import timedelta
from importlib import import_module

import pytest

from course_lib.practice.desk.place import CourseError
from course_lib.practice.interview.interview import Interview, rehearse
from course_lib.practice.interview.plan import pick
from course_lib.practice.interview.report import Report
from course_lib.practice.knowledge.questions import question
from course_lib.practice.record.progress import Event, Progress
from tests.practice.interview.mock_replies import GOOD, NOW, Clock, kinds, plan


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    return Progress.open()


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
    cell = import_module("course_lib.practice.interview.mock").mock(**arguments)
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


def test_a_question_asks_for_another_number_the_next_time(progress):
    from course_lib.practice.cards.deck import numbers_of
    from course_lib.practice.interview.sittings import begin

    there = [card.id for card in numbers_of(question("c06-q01"))]
    asked = []
    for _ in range(len(there) + 1):
        interview = begin(progress, plan())
        interview.reply(GOOD)
        asked.append(interview.results[0].number_card)
    assert asked == [*there, there[0]]


def test_a_chinese_interview_repeats_a_chinese_number_rather_than_ask_in_english(progress):
    from course_lib.practice.cards.deck import numbers_of
    from course_lib.practice.interview.sittings import begin

    chinese = [card.id for card in numbers_of(question("c06-q01")) if "zh" in card.front]
    assert 0 < len(chinese) < len(list(numbers_of(question("c06-q01"))))
    asked = []
    for _ in range(len(chinese) + 1):
        interview = begin(progress, plan(language="zh"))
        interview.reply("单台 server 是瓶颈")
        asked.append(interview.results[0].number_card)
    assert asked == [*chinese, chinese[0]]


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
