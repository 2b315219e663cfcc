"""check, hint and solution over a reader's session: what is shown, what is kept, what never is."""

import dataclasses

import pytest

from course_lib.practice import check, hint, solution
from course_lib.practice.checks import cells, checking, finding, judging
from course_lib.practice.checks.verdict import apart, cost, failed, passed
from course_lib.practice.desk import presence
from course_lib.practice.record.progress import Progress


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(checking, "_seen_here", type(checking._seen_here)())


def scaled_lr(step, base_lr, world_size, warmup_steps):
    return base_lr * world_size


def kept(kind):
    return [event.data for event in Progress.open().events(kind, "06.scaled_lr")]


def test_a_session_from_failure_over_hints_to_the_solution():
    panel = check(scaled_lr)
    assert panel.status == "failed" and "There is no warm-up" in repr(panel)
    assert kept("attempt") == [{"passed": False}]
    stages = [repr(hint(scaled_lr)).splitlines()[0][-6:] for _ in range(4)]
    assert stages == ["1 of 3", "2 of 3", "3 of 3", "3 of 3"]
    assert "hint 1 of 3" in repr(hint("06.scaled_lr", 1))
    for wrong in (4, 2.0, True, "2"):
        assert "give 1, 2 or 3" in repr(hint(scaled_lr, wrong))
    assert kept("hint") == [{"number": 1}, {"number": 2}, {"number": 3}]
    shown = solution(scaled_lr)
    assert shown.rows[0].code.startswith("def scaled_lr(") and "reference" not in shown.rows[0].code
    assert kept("solution") == [{"asked": False}]


def test_a_hint_that_was_skipped_comes_next_and_reading_again_counts_nothing():
    for number in (3, 3, 3):
        hint(scaled_lr, number)
    assert kept("hint") == [{"number": 3}]
    assert [repr(hint(scaled_lr)).splitlines()[0][-6:] for _ in range(3)] == ["1 of 3", "2 of 3", "3 of 3"]
    assert len(kept("hint")) == 3


def test_no_panel_shows_a_backtick():
    exercise = finding.by_id("06.accumulate_by_tokens")
    shown = [hint(exercise.id, number) for number in (1, 2, 3)] + [solution(exercise.id, show=True)]
    assert not any("`" in f"{row.text}{row.detail}" for panel in shown for row in panel.rows)


def test_a_count_of_one_is_written_as_one_and_numbers_are_told_apart():
    assert "Cost, sent: 1 message, budget 0." in cost("sent", 1, 0, "messages").text
    assert apart(0.1, 0.1 + 1e-9) == ("0.1", "0.100000001") and apart(3, 1_000) == ("3", "1,000")
    assert apart(0.1, 0.2) == ("0.1", "0.2")


def test_a_check_that_compares_nothing_has_not_passed():
    exercise = dataclasses.replace(finding.by_id("06.scaled_lr"), judge=lambda *_: iter(()))
    verdict = judging.judge(exercise, exercise.reference)
    assert verdict.status == "failed" and "compared nothing" in verdict.failures


def test_a_judgement_of_the_same_source_is_made_once(monkeypatch):
    exercise = finding.by_id("06.scaled_lr")
    first = judging.judge_once(exercise, exercise.reference)
    monkeypatch.setattr(judging, "judge", lambda *_: pytest.fail("judged twice"))
    assert judging.judge_once(exercise, exercise.reference) is first
    keys = {judging.source_key(exercise, one.code) for one in exercise.wrong}
    assert len(keys) == len(exercise.wrong) and judging.source_key(exercise, exercise.reference) not in keys


def test_the_solution_waits_for_an_attempt_or_a_request():
    assert solution(scaled_lr).status == "not attempted"
    assert not kept("solution") and not solution(scaled_lr).rows[0].code
    assert solution(scaled_lr, show=True).rows[0].code
    assert kept("solution") == [{"asked": True}]


def test_a_stub_is_not_recorded():
    check(finding.by_id("06.scaled_lr").stub)
    assert not kept("attempt")


def test_the_panel_of_one_answer_is_the_same_each_time():
    assert repr(check(scaled_lr)) == repr(check(scaled_lr))
    reference = finding.by_id("06.tree_broadcast").reference
    twice = [judging.judge(finding.by_id("06.tree_broadcast"), reference).findings for _ in range(2)]
    assert twice[0] == twice[1] and len(twice[0]) == 4


def test_a_check_shows_no_line_of_the_reference():
    reference = [line.strip() for line in cells.reference_source(finding.by_id("06.scaled_lr")).splitlines()[2:]]
    text = repr(check(scaled_lr)) + check(scaled_lr)._repr_html_()
    assert reference and not any(line in text for line in reference)


def test_judging_stops_at_the_first_failure_and_a_later_cost_replaces_an_earlier(monkeypatch):
    said = [passed("one"), failed("two", "because"), failed("three")]
    exercise = dataclasses.replace(finding.by_id("06.scaled_lr"), judge=lambda *_: iter(said))
    verdict = judging.judge(exercise, scaled_lr)
    assert [found.text for found in verdict.findings] == ["one", "two"]


@pytest.mark.parametrize("exercise", finding.exercises(), ids=finding.names())
def test_an_exercise_is_whole_and_found_by_its_name(exercise):
    assert finding.by_name(exercise.name) is exercise and finding.by_id(exercise.id) is exercise
    assert all(len(hint) > 60 for hint in exercise.hints) and len(exercise.explanation) > 100
    assert exercise.task.strip() and exercise.budget and exercise.minutes <= 30
    assert "raise NotImplementedError" in cells.stub_source(exercise.id)
    assert exercise.title in cells.task_markdown(exercise.id)
    assert cells.check_source(exercise.id) == f"check({exercise.name})"
    compile(cells.reference_source(exercise), "reference", "exec")
    assert not any(
        "Reference" in line or "reference(" in line for line in cells.reference_source(exercise).splitlines()
    )


def test_no_two_exercises_share_a_name_or_a_place():
    exercises = finding.exercises()
    assert len({one.name for one in exercises}) == len(exercises)
    assert len({(one.id[:2], one.place) for one in exercises}) == len(exercises)


def test_buttons_below_a_check_give_the_hints_in_turn_and_the_solution(monkeypatch):
    monkeypatch.setattr(presence, "in_live_notebook", lambda: True)
    panel = check(scaled_lr)
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()
    box = panel._widget()
    buttons = {button.description: button for button in box.children[1].children}
    assert list(buttons) == ["Hint", "Solution"] and all(button.tooltip for button in buttons.values())
    for stage in (1, 2):
        buttons["Hint"].click()
        assert f"hint {stage} of 3" in box.children[2].value
    buttons["Solution"].click()
    assert "def scaled_lr(" in box.children[2].value
    assert len(kept("hint")) == 2 and kept("solution") == [{"asked": False}]


def test_where_outputs_are_compared_a_check_has_no_buttons():
    assert set(check(scaled_lr)._repr_mimebundle_()) == {"text/plain", "text/html"}
