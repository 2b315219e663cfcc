"""A wrong answer written as one change of the reference: what the table may hold, and what is made of it."""

import pytest

from course_lib.practice.checks import answer, proofs
from course_lib.practice.checks.changed import resolved, source_of, traps, variant
from tests.practice.checks.reader_answers import verdict


def reference(numbers):
    total = sum(numbers)
    return total / len(numbers)


class Mean:
    def __init__(self, numbers):
        self.numbers = numbers

    def value(self):
        return sum(self.numbers) / len(self.numbers)


def test_a_table_makes_the_programs_that_it_says():
    made = resolved(
        reference,
        traps("""
            forgets to divide: total / len(numbers) => total
                The sum
                is no mean.
            divides twice: / len(numbers) => … / len(numbers)
            and: sum(numbers) => 1.0 * sum(numbers)
                One division is enough.
            returns nothing: return total / len(numbers) =>
                A function without return.
        """),
    )
    assert [one.name for one in made] == ["forgets to divide", "divides twice", "returns nothing"]
    assert [one.code([2, 4]) for one in made] == [6, 1.5, None]
    assert made[0].message == "The sum is no mean." and reference([2, 4]) == 3
    of_class = resolved(reference, traps("sums: / len(self.numbers) =>\n    no mean", of=Mean))
    assert of_class[0].code([2, 4]).value() == 6 and Mean([2, 4]).value() == 3


@pytest.mark.parametrize(("old", "times"), [("mean(", 0), ("numbers", 3)])
def test_a_text_that_is_not_there_once_is_named(old, times):
    with pytest.raises(ValueError, match=f"'takes another': '.*' stands {times} times in reference") as error:
        variant(reference, "takes another", (old, "x"))
    assert repr(old) in str(error.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("no arrow: total\n    words", "is written `name: old => new`"),
        ("no colon => total\n    words", "is written `name: old => new`"),
        ("nothing old:  => total\n    words", "is written `name: old => new`"),
        ("and: total => 1\n    words", "is written `name: old => new`"),
        ("silent: total => 1\nother: total => 2\n    words", "'silent': say below it"),
        ("    words first\nname: total => 1\n    words", "'words first': words without a wrong answer above them"),
    ],
)
def test_a_table_that_is_badly_written_is_one_sentence(table, words):
    with pytest.raises(ValueError) as error:
        traps(table)
    assert words in str(error.value)


def test_what_was_made_is_read_by_its_own_source_and_stands_where_the_reference_does():
    made = variant(reference, "hashes", ("sum(numbers)", "hash(sum(numbers))"))
    assert "hash(sum(numbers))" in source_of(made) and "hash(" not in source_of(reference)
    assert "hash" in answer.names_in(made) and "hash" not in answer.names_in(reference)
    assert "hash" in answer.names_in(
        variant(Mean, "hashes", ("self.numbers = numbers", "self.numbers = hash(numbers)"))
    )
    assert made.__code__.co_firstlineno == reference.__code__.co_firstlineno
    assert made.__code__.co_filename == reference.__code__.co_filename


def test_an_exception_in_what_was_made_names_the_exercises_file():
    from course_lib.exercises.ch06_data_parallel.scaled_lr import EXERCISE

    made = variant(EXERCISE.reference, "divides by no warmup", (" if warmup_steps else 1.0", ""))
    found = verdict("06.scaled_lr", made)
    assert "ch06_data_parallel/scaled_lr.py, line" in found.where, found


def test_two_wrong_answers_of_one_file_are_judged_apart():
    from course_lib.exercises.ch00_start_here.least_seconds import EXERCISE
    from course_lib.practice.checks.judging import source_key

    keys = {source_key(EXERCISE, one.code) for one in EXERCISE.wrong}
    assert len(keys) == len(EXERCISE.wrong) and proofs.prove(EXERCISE).faults == []
