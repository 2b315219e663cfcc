"""For every exercise: its check tells right from wrong. And the command that proves it can fail."""

import dataclasses

import pytest

from course_lib.practice.checks import finding, proofs
from course_lib.practice.checks.verdict import passed


@pytest.mark.parametrize("exercise", finding.exercises(), ids=finding.names())
def test_the_check_tells_right_from_wrong(exercise):
    proof = proofs.prove(exercise)
    assert not proof.faults
    assert proof.stub and proof.reference
    assert proof.wrong[0] == proof.wrong[1] >= 3
    assert proof.alternatives[0] == proof.alternatives[1] >= 2
    assert proof.cheats[0] == proof.cheats[1]


def test_a_check_that_accepts_a_wrong_answer_or_rejects_a_right_one_is_found(monkeypatch, capsys):
    good = finding.by_id("00.least_seconds")
    blind = dataclasses.replace(good, judge=lambda *_: iter([passed("whatever it is")]), cheats=())
    other = dataclasses.replace(good.wrong[1], message="never said")
    strict = dataclasses.replace(
        good, alternatives=(good.wrong[0].code,), wrong=(*good.wrong[:1] * 3, other), cheats=()
    )
    monkeypatch.setattr(finding, "exercises", lambda chapter=None: [blind, strict])
    assert proofs.main([]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("exercise")
    assert out.splitlines()[-1] == (
        "2 exercises: stub and reference 2/2, wrong answers rejected 3/9, alternatives accepted 2/3, "
        "cheats rejected 0/0."
    )
    assert "adds both: expected {0!r}, got 'passed'" in err
    assert "two wrong answers share the words" in err


def test_a_chapter_without_exercises_is_one_sentence(capsys):
    assert proofs.main(["99"]) == 1
    assert "give two digits" in capsys.readouterr().err
