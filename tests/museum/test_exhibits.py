"""Every exhibit shows its fault by a number in an asserted range, and its repair removes it."""

import math
import random

import pytest
import torch

from course_lib.museum import exhibits, find
from course_lib.museum.processes_that_train_copies import change_under_spawn
from course_lib.practice.knowledge.curriculum import part_of
from course_lib.practice.knowledge.questions import question
from tests.museum.measured import as_circulated, as_repaired

NUMBERS = [each.number for each in exhibits()]
every_exhibit = pytest.mark.parametrize("number", NUMBERS)


def test_all_exhibits_are_there():
    assert [str(i) for i in range(1, 26)] + [f"E{i}" for i in range(1, 14)] == NUMBERS


@every_exhibit
def test_the_wrong_program_shows_its_fault(number):
    exhibit, finding = find(number), as_circulated(number)
    assert finding.number in exhibit.fault, finding
    assert finding.number not in exhibit.healed, finding
    assert exhibit.verdict(finding) == "fault"


@every_exhibit
def test_the_repair_removes_it(number):
    exhibit, finding = find(number), as_repaired(number)
    assert finding.number in exhibit.healed, finding
    assert finding.number not in exhibit.fault, finding
    assert not finding.still_wrong
    assert exhibit.verdict(finding) == "repaired"


@every_exhibit
def test_ranges_of_fault_and_repair_do_not_meet(number):
    fault, healed = find(number).fault, find(number).healed
    assert fault.high < healed.low or healed.high < fault.low
    assert math.isfinite(fault.low) and math.isfinite(healed.low)


@every_exhibit
def test_what_was_seen_is_said_in_a_sentence(number):
    wrong, repaired = as_circulated(number), as_repaired(number)
    assert wrong.sentence != repaired.sentence
    for finding in (wrong, repaired):
        assert any(digit in finding.sentence for digit in "0123456789") or number == "19"
        assert finding.sentence.endswith(".") and "nan" not in finding.sentence and finding.unit


@every_exhibit
def test_lines_to_choose_from(number):
    exhibit = find(number)
    choices = exhibit.choices()
    assert sum(at_fault for at_fault, _ in choices.values()) == len(exhibit.faulty) >= 1
    assert sum(not at_fault for at_fault, _ in choices.values()) == len(exhibit.fine) >= 2
    assert all(len(reason) > 15 and reason.endswith(".") for _, reason in choices.values())


@every_exhibit
def test_the_source_is_the_programs_own(number):
    exhibit = find(number)
    for source, program in ((exhibit.wrong_source, "wrong"), (exhibit.repaired_source, "repaired")):
        assert f"def {program}(" in source
    first, second = (source.splitlines() for source in (exhibit.wrong_source, exhibit.repaired_source))
    assert [line for line in first if line not in second], "no line of the wrong program was changed"
    assert "fault" not in exhibit.wrong_source and "wrong" not in exhibit.wrong_source.replace("def wrong(", "")


@every_exhibit
def test_texts_are_there(number):
    exhibit = find(number)
    for text in (exhibit.claim, exhibit.why_it_passes_review, exhibit.repair):
        assert len(text) > 30 and text.endswith("."), text
    assert exhibit.title and exhibit.quantity and exhibit.chapters
    assert exhibit.slug and all(part_of(chapter) != "0_start" for chapter in exhibit.chapters)
    if number.startswith("E"):
        assert any(word in exhibit.source for word in ("recomputed", "ounted", "imulated", "read", "added up"))


@every_exhibit
def test_questions_exist(number):
    for name in find(number).questions:
        assert question(name)
    if not number.startswith("E"):
        assert find(number).questions


def test_exhibits_of_chapter_06():
    assert [each.number for each in exhibits("06")] == ["1", "2", "5", "17", "19"]
    assert exhibits("06") == exhibits(6)


CLAIMED = {  # the number in circulation, and the right one, as the exhibit's programs give them
    "E2": (4, 8),
    "E3": (195, 390),
    "E4": (0.465, 0.198),
    "E5": (0.0625, 64),
    "E7": (50 / 24, 50),
    "E8": (23, 36.9),
    "E12": (6.71, 6.25),
}


@pytest.mark.parametrize("number", CLAIMED)
def test_number_in_circulation_and_right_number(number):
    claimed, right = CLAIMED[number]
    assert as_circulated(number).number == pytest.approx(claimed, rel=2e-3)
    assert as_repaired(number).number == pytest.approx(right, rel=2e-3)


@pytest.mark.parametrize(
    ("number", "repaired", "name", "value", "tolerance"),
    [
        ("1", False, "gradient_over_mean", 2.0, 1e-5),  # a sum over 2 ranks
        ("2", False, "gradient_difference", 0.0, 1e-9),  # equal seeds: the second rank adds nothing
        ("5", False, "logged_over_mean", 2.0, 1e-4),
        ("6", False, "returned_by_torch_save_is_none", 1.0, 0),
        ("10", False, "loss_too_small_by", 100.0, 0.1),  # the number of classes
        ("12", False, "cosine_of_scaled_mean_loss", 1.0, 1e-5),
        ("14", False, "devices", 1, 0),
        ("18", False, "tensor_of_a_list_requires_grad", 0.0, 0),
        ("22", False, "first_cycle_short", 7, 0),
        ("23", False, "float_reads_the_raw_output", 0.0, 0),
        ("E1", False, "claimed", 1.687, 5e-4),
        ("E1", True, "claimed", 2.401, 5e-4),
        ("E1", True, "simulated", 2.401, 0.02),
        ("E2", True, "counted", 8, 0),
        ("E3", True, "seconds", 312, 0.5),
        ("E3", False, "seconds", 156, 0.5),
        ("E4", True, "flops_per_parameter_and_token", 6, 0),
        ("E7", True, "simulated", 50, 0.02),
        ("E7", True, "2% in 1 h", 14.4, 1e-9),
        ("E7", True, "5% in 6 h", 6, 1e-9),
        ("E7", True, "10% in 72 h", 1, 1e-9),
        ("E8", True, "scheduling_alone", 3.38, 0.34),  # harmonic number of 16
        ("E9", False, "rows_off", 1, 0),
        ("E9", False, "total", 419, 0),
        ("E9", True, "faulty_gpu", 35.3, 0.05),
        ("E10", True, "printed", 92.6, 0.5),
        ("E10", True, "refit", 18.4, 0.5),
        ("E11", True, "simulated_4", 3, 0),
        ("E11", True, "simulated_8", 7, 0),
        ("E13", False, "gpt3_percent", 2.70, 0.005),
        ("E13", True, "gpt3_percent", 0.90, 0.005),
        ("E13", True, "counted_percent_64", 4.76, 0.005),
    ],
)
def test_other_numbers(number, repaired, name, value, tolerance):
    finding = (as_repaired if repaired else as_circulated)(number)
    assert finding.others[name] == pytest.approx(value, abs=tolerance)


def test_more_is_seen_of_the_wrong_programs():
    assert as_circulated("1").others["between_ranks"] > 0.01
    assert as_circulated("5").others["extra_move"] > 0.01
    assert 0 < as_circulated("6").others["fp16_error"] < 1e-3
    assert as_circulated("9").others["weights_moved"] == 0
    assert as_circulated("11").others["output_error"] > 0.01
    assert as_circulated("15").others["last_fold"] > 0.9
    assert as_circulated("21").others["step_after"] > 2 * as_circulated("21").others["step_before"]
    assert as_repaired("21").others["step_after"] < 2 * as_repaired("21").others["step_before"]
    assert as_circulated("25").others["accuracy"] == pytest.approx(as_repaired("25").others["accuracy"], abs=1e-3)
    assert as_circulated("25").others["nll"] > as_repaired("25").others["nll"] + 0.02


def test_spawned_processes_train_in_shared_memory():
    assert change_under_spawn() > 0.01


@pytest.mark.parametrize("number", ["3", "9", "E13"])
def test_running_an_exhibit_prints_nothing_and_leaves_random_numbers_alone(number, capfd):
    torch.manual_seed(7)
    random.seed(7)
    expected = torch.rand(1).item(), random.random()
    torch.manual_seed(7)
    random.seed(7)
    find(number).run(find(number).wrong)
    assert (torch.rand(1).item(), random.random()) == expected
    assert capfd.readouterr() == ("", "")
