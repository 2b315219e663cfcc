"""Show the reader's progress by part, chapter, exercise and question: `course status [CHAPTER]` and the start page."""

from __future__ import annotations

import argparse

from course_lib.lab.measure import rounded
from course_lib.practice.desk import place
from course_lib.practice.desk.panel import Panel, Row
from course_lib.practice.desk.place import CourseError
from course_lib.practice.desk.presence import somebody_there
from course_lib.practice.desk.wording import count
from course_lib.practice.predictions.calibration import median_factor
from course_lib.practice.predictions.guessing import verdict
from course_lib.practice.record.standing import ChapterStanding, ExerciseStanding, QuestionStanding, standing

NOTHING = "Your progress: no progress yet"


def main(argv: list[str]) -> int:
    """Run `course status`: the reader's copies, then the progress; of one chapter in full where one is named."""
    from course_lib.practice.desk.house import chapters

    parser = argparse.ArgumentParser(prog="course status", description=__doc__.split("\n")[0])
    parser.add_argument("chapter", nargs="?", metavar="CHAPTER", help="show one chapter in full: 06")
    parser.add_argument("--work", metavar="DIR", help="your workspace (work/ in the clone)")
    args = parser.parse_args(argv)
    if args.chapter is not None:
        print(overview(args.chapter))
        return 0
    folder = place.workspace(args.work)
    rows = chapters(folder)
    wide = max((len(row.name) for row in rows), default=0)
    print(f"{len(rows)} notebooks in this version of the course; your copies are in {folder}.")
    for row in rows:
        print(f"  {row.name:<{wide}}  {row.state:<18}  {row.title}")
    print(overview())
    return 0


def overview(chapter: str | int | None = None) -> Panel:
    """Return the progress as a panel, by part and chapter; a chapter with nothing recorded is only counted.

    chapter: "06" or 6 shows that one in full, its open exercises and questions too; CourseError where there is none.
    """
    every = standing()
    if chapter is not None:
        return _one(every, str(chapter))
    if not somebody_there() or not any(one.begun for one in every):
        return Panel(NOTHING)
    rows, later = [], []
    for part in dict.fromkeys(one.part for one in every):
        inside = [one for one in every if one.part == part]
        if not any(one.begun or one.here for one in inside):
            later.append(_part_name(part))
            continue
        if part:
            rows.append(Row("note", f"{_part_name(part)}: {_sum(inside)}"))
        for one in inside:
            if one.begun:
                rows += [Row("note", f"{one.number} {one.title}: {_sum([one])}"), *_rows(one, full=False)]
    rows += [Row("note", f"Planned for later versions: {'; '.join(later)}")] if later else []
    footer = "course status 06 shows a chapter in full; course progress export FILE keeps a copy of your progress."
    return Panel(f"Your progress: {_sum(every)}", rows, footer)


def _one(every: list[ChapterStanding], chapter: str) -> Panel:
    found = next((one for one in every if one.number == chapter.zfill(2)), None)
    if found is None:
        numbers = ", ".join(one.number for one in every)
        raise CourseError(f"There is no chapter {chapter!r} in this version of the course: it has {numbers}.")
    return Panel(f"{found.number} {found.title}: {_sum([found])}", _rows(found, full=True))


def _rows(one: ChapterStanding, full: bool) -> list[Row]:
    rows = [_exercise(each) for each in one.exercises]
    for point in one.predictions:
        rows.append(Row("note", f"Prediction {point.id}: {_said(point.guess, point.answer)}"))
    rows += [Row("note", f"Prediction {name}: saved, its answer not yet shown") for name in one.guesses]
    rows += [Row("note", f"Prediction {name}: its answer was shown, no score") for name in one.late]
    return rows + [_question(each) for each in one.questions if full or each.practised]


def _exercise(one: ExerciseStanding) -> Row:
    facts = [count(one.attempts, "attempt")] if one.attempts else []
    facts += [count(one.hints, "hint")] if one.hints else []
    facts += ["solution seen"] if one.solution_seen else []
    return Row(one.status, f"Exercise {one.id}{': ' if facts else ''}{', '.join(facts)}")


def _question(one: QuestionStanding) -> Row:
    text = one.text if len(one.text) <= 72 else f"{one.text[:70].rstrip()}…"
    if not one.answered:
        return Row("note", f"Question {one.id}, planned: {text}")
    if not one.practised:
        return Row("not attempted", f"Question {one.id}: {text}")
    return Row("note", f"Question {one.id}, practised {count(one.practised, 'time')}: {text}")


def _said(guess: float, answer: float) -> str:
    first = verdict(guess, answer).split(". ")[0]
    return f"{rounded(guess, 6)} for {rounded(answer, 4)}. {first.rstrip('.')}"


def _sum(of: list[ChapterStanding]) -> str:
    exercises = [one for each in of for one in each.exercises]
    predictions = [point for each in of for point in each.predictions]
    questions = [one for each in of for one in each.questions if one.answered]
    said = []
    if exercises:
        said.append(f"{sum(one.passed for one in exercises)} of {count(len(exercises), 'exercise')} passed")
    if predictions:
        middle = median_factor(predictions)
        factor = f" (median factor {rounded(middle, 2)})" if middle else ""
        said.append(f"{count(len(predictions), 'prediction')} revealed{factor}")
    if questions:
        said.append(f"{sum(one.practised > 0 for one in questions)} of {count(len(questions), 'question')} practised")
    planned = sum(not one.answered for each in of for one in each.questions)
    return ", ".join(said + ([f"{count(planned, 'question')} planned"] if planned else [])) or "nothing to do yet"


def _part_name(part: str) -> str:
    number, _, name = part.partition("_")
    return f"Part {number}, {name.replace('_', ' ')}"
