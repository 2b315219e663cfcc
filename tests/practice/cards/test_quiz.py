"""A sitting asks, judges, schedules and records; a replay of the reviews always gives the same schedule."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from course_lib import cli
from course_lib.practice.cards import schedule as quiz_schedule
from course_lib.practice.cards import session as quiz_session
from course_lib.practice.cards import widget as quiz_widget
from course_lib.practice.cards.deck import KINDS, deck
from course_lib.practice.cards.quiz import ASKS, quiz
from course_lib.practice.cards.schedule import schedule, suggest
from course_lib.practice.cards.session import begin, judged_lines
from course_lib.practice.cards.terminal import run
from course_lib.practice.record.progress import Event, Progress
from tests.practice.interview.mock_replies import everything, press, typed

NOW = datetime.now(UTC)


@pytest.fixture
def progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    return Progress.open()


def review(progress, card, rating, days_ago, **data):
    event = Event(NOW - timedelta(days=days_ago), "quiz", card, "", {"card": card, "deck": 1, "rating": rating} | data)
    progress.add([event])


def one(progress, card_id, **more):
    sitting = begin(progress=progress, **more)
    sitting.cards = [card for card in deck() if card.id == card_id]
    return sitting


def test_a_good_review_comes_later_than_a_bad_one_and_replays_to_the_same_time(progress):
    for rating, card in ((4, "c06-q01"), (1, "c06-q02")):
        for days_ago in (9, 5, 1):
            review(progress, card, rating, days_ago)
    first, second = schedule(progress), schedule(progress)
    assert first.due("c06-q01") > NOW + timedelta(days=3) and first.due("c06-q02") <= NOW
    assert first.due("c06-q01") == second.due("c06-q01")
    assert 0.5 < first.recall("c06-q01", NOW) <= 1 and first.recall("c06-q06", NOW) == 0


def test_reviews_count_in_the_order_of_their_time_not_of_their_arrival(progress, tmp_path):
    other = Progress.open(tmp_path / "other.sqlite3")
    for ours, order in ((progress, (9, 7, 5, 3, 1)), (other, (3, 1, 9, 5, 7))):
        for days_ago in order:
            review(ours, "c06-q01", 1 if days_ago == 5 else 3, days_ago)
        ours.record("mock", "c06-q01", card="c06-q01", deck=1, rating=4)
    due = [schedule(ours).due("c06-q01") for ours in (progress, other)]
    assert abs(due[0] - due[1]) < timedelta(minutes=1)
    assert due[0] - NOW > timedelta(days=2)


def test_the_longest_overdue_come_first_then_new_cards_of_all_kinds_in_turn(progress):
    review(progress, "museum/1", 1, 20)
    review(progress, "c06-q05", 1, 9)
    review(progress, "c06-q04", 4, 0)
    cards = begin(2, progress=progress).cards
    assert [card.id for card in cards[:3]] == ["museum/1", "c06-q05", "s000-q16"]
    assert [card.kind for card in cards[2:10]] == list(KINDS) * 2 and len(cards) == 20
    assert "c06-q04" not in {card.id for card in cards}
    assert [card.id for card in begin(2, only_due=True, progress=progress).cards] == ["museum/1", "c06-q05"]
    assert len(begin(2, count=4, progress=progress).cards) == 4


def test_an_answer_comes_before_the_back_and_the_grade_is_recorded(progress, capsys):
    seen = []

    def ask(prompt):
        said = capsys.readouterr().out
        seen.append((prompt, "A launcher starts" in said, "Must say" in said))
        return {0: "a launcher starts ranks", 1: "", 2: "1 2 4 5", 3: ""}[len(seen) - 1]

    run(one(progress, "s000-q16"), ask)
    assert [back for _, *back in seen] == [[False, False], [False, False], [True, True], [False, False]]
    (event,) = progress.events("quiz")
    assert (event.key, event.data["rating"], event.data["deck"]) == ("s000-q16", 2, 1)
    assert event.data["share"] == pytest.approx(4 / 7)
    assert "1 card graded and recorded: 1 hard." in capsys.readouterr().out


@pytest.mark.parametrize(("share", "grade"), [(0, "again"), (0.3, "again"), (0.4, "hard"), (0.7, "good"), (1, "easy")])
def test_the_share_of_points_suggests_a_grade(share, grade):
    assert suggest(share) == grade


def test_a_number_is_checked_with_its_unit_and_bad_input_is_asked_again(progress, capsys):
    (card,) = [card for card in deck() if card.front["en"].endswith("take ____ days.")]
    run(one(progress, card.id), typed("", "5 km", "115 hours", "q", ""))
    said = capsys.readouterr().out
    assert "There is no number yet" in said and "'km' was not expected" in said and "Right, within 5 %" in said
    assert "'q' is no grade" in said
    assert [event.data["rating"] for event in progress.events("quiz")] == [3]


def test_a_mistake_is_spotted_by_its_lines(progress, capsys):
    card = next(card for card in deck() if card.id == "museum/1")
    faulty = [i for i, (fault, _) in card.lines.items() if fault]
    fine = next(i for i, (fault, _) in card.lines.items() if not fault)
    assert judged_lines(card, set(faulty))[0] == "good"
    assert judged_lines(card, set(faulty[:1]))[0] == "hard"
    assert judged_lines(card, {faulty[0], fine})[0] == "again"
    run(one(progress, card.id), typed("999", " ".join(map(str, faulty)), ""))
    said = capsys.readouterr().out
    assert "Type one or more of" in said and "is at fault" in said and "The repair:" in said
    assert [event.data["rating"] for event in progress.events("quiz")] == [3]


@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_a_quiz_that_is_interrupted_keeps_what_was_graded(progress, capsys, end):
    sitting = begin(2, progress=progress)
    run(sitting, typed("", "all", "", end))
    assert [event.key for event in progress.events("quiz")] == [sitting.cards[0].id]
    assert "1 card graded and recorded: 1 easy." in capsys.readouterr().out


def test_no_new_card_after_the_time(progress, capsys):
    times = iter([0, 10, 100, 100, 700, 700])
    sitting = begin(2, minutes=10, progress=progress, clock=lambda: next(times))
    run(sitting, typed("", "all", "", "must not be asked"))
    assert "The time is over. 1 card graded" in capsys.readouterr().out
    assert progress.events("quiz")[0].data["seconds"] == 100


def test_an_enormous_answer_is_no_trouble(progress):
    run(one(progress, "c06-q01"), typed("x" * 1_000_000, "", "2", ""))
    assert len(progress.events("quiz")) == 1


def test_reviews_of_a_newer_version_or_malformed_are_kept_and_said(progress):
    review(progress, "c06-q01", 3, 5)
    before = schedule(progress).due("c06-q01")
    review(progress, "c06-q01", 9, 4, deck=2)
    for bad in (17, "good", True, None):
        review(progress, "c06-q01", bad, 3)
    review(progress, "c99-q01", 3, 2)
    found = schedule(progress, [card.id for card in deck()])
    assert found.due("c06-q01") == before and "c99-q01" not in found.cards
    assert [note.split(":")[0] for note in found.notes] == [
        "1 review by a newer version of the course",
        "4 reviews cannot be read",
        "1 reviewed card not in this version's deck",
    ]
    assert len(progress.events("quiz")) == 7


def test_what_is_not_there_is_said(progress, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(quiz_session, "deck", lambda part=None, language=None: ())
        assert begin(5, progress=progress).notes[-1].startswith("This part has no cards yet")
    assert "none is due" in begin(2, only_due=True, progress=progress).notes[-1]
    review(progress, "c06-q01", 4, 0)
    assert "the next is due in" in begin(2, only_due=True, progress=progress).notes[-1]
    assert any("written in English only" in note for note in begin(2, "zh", progress=progress).notes)


def test_the_command_line_takes_part_language_and_count(progress, monkeypatch, capsys):
    monkeypatch.setattr("builtins.input", typed(EOFError))
    assert cli.main(["quiz", "--part", "2", "--language", "zh", "--count", "2"]) == 0
    said = capsys.readouterr().out
    assert "2 cards." in said and "用云上多卡把大模型训起来" in said
    assert cli.main(["quiz", "--part", "x"]) == 1
    assert "There is no part 'x'" in capsys.readouterr().err
    for words in (["--minutes", "0"], ["--minutes", "nan"], ["--count", "0"]):
        with pytest.raises(SystemExit):
            cli.main(["quiz", *words])


def test_the_cell_is_text_where_nobody_is_there(progress, monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    bundle = quiz(2)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"} and "spot the mistake: an exhibit" in bundle["text/plain"]
    assert set(ASKS) == set(KINDS) and bundle["text/plain"].startswith("Quiz, part 2\n")


def texts(box):
    return " ".join(str(getattr(child, "value", "")) for child in everything(box))


def test_the_widget_shows_the_back_after_the_answer_and_records_the_grade(progress):
    widget = quiz_widget.QuizWidget(one(progress, "c06-q01"))
    assert "With one server" not in texts(widget.box)
    press(widget.box, "Show the answer")
    assert "With one server" in texts(widget.box)
    points = [child for child in everything(widget.box) if type(child).__name__ == "Checkbox"]
    for box in points[:4]:
        box.value = True
    press(widget.box, "Save and next")
    (event,) = progress.events("quiz")
    assert (event.data["rating"], event.data["share"]) == (3, 0.8)
    assert "1 card graded and recorded" in texts(widget.box)


def test_the_widget_takes_numbers_and_lines(progress):
    (number,) = [card.id for card in deck() if card.front["en"].endswith("take ____ days.")]
    widget = quiz_widget.QuizWidget(one(progress, number))
    field = next(child for child in everything(widget.box) if getattr(child, "description", "") == "Your number")
    field.value = "5 km"
    press(widget.box, "Check")
    assert "was not expected" in texts(widget.box)
    field.value = "4.8"
    press(widget.box, "Check")
    press(widget.box, "Save and next")
    widget = quiz_widget.QuizWidget(one(progress, "museum/1"))
    press(widget.box, "Answer")
    assert "Choose at least one line." in texts(widget.box)
    next(child for child in everything(widget.box) if type(child).__name__ == "Checkbox").value = True
    press(widget.box, "Answer")
    press(widget.box, "Save and next")
    assert [event.data["rating"] in (1, 2, 3) for event in progress.events("quiz")] == [True, True]


def test_enter_checks_the_number_and_no_card_is_wider_than_the_page(progress):
    (number,) = [card.id for card in deck() if card.front["en"].endswith("take ____ days.")]
    widget = quiz_widget.QuizWidget(one(progress, number))
    field = next(child for child in everything(widget.box) if getattr(child, "description", "") == "Your number")
    assert field.layout.width == "min(100% - 4px, 32em)"

    async def enter():
        field.value = "4.8"
        field._handle_custom_msg({"event": "submit"}, [])
        await asyncio.sleep(0.3)

    asyncio.run(enter())
    assert "Right: 4.8" in texts(widget.box) and field.disabled
    assert "white-space:pre;overflow-x:auto" in texts(quiz_widget.QuizWidget(one(progress, "museum/1")).box)


def test_the_package_stays_light():
    code = (
        "import sys, course_lib.practice, course_lib.practice.cards.quiz, course_lib.practice.cards.deck\n"
        "print([m for m in ('torch', 'fsrs', 'genanki', 'ipywidgets', 'matplotlib') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_times_are_said_in_words():
    said = [quiz_schedule.in_words(timedelta(minutes=m)) for m in (0, 0.5, 1, 10, 90, 24 * 60 * 3)]
    assert said == ["now", "in less than a minute", "in 1 minute", "in 10 minutes", "in 2 hours", "in 3 days"]


def test_wrapping_counts_a_chinese_character_twice():
    lines = quiz_session.wrapped("算" * 60, width=40)
    assert [len(line) for line in lines] == [20, 20, 20]
    assert quiz_session.wrapped("每个 rank 的梯度", width=9, indent=" ") == [" 每个", " rank 的", " 梯度"]
