"""A mutant runs in a copy, is caught by the cell that fails first, and changes nothing of the project."""

import nbformat
import pytest

from tests.notebooks.samples import printed, save
from tools.chapter import Laid
from tools.mutants import __main__ as command
from tools.mutants.listing import Mutant
from tools.mutants.running import Outcome, run

CHAPTER = Laid("06", "data parallel", "2_parallelism")
CELLS = (
    ("from course_lib import ring\n\nsent = ring.factor(4)\nunused = 1", ""),
    ("print(sent)", "1.5\n"),
    ("assert sent < 2", ""),
)


def mutant(name, old, new, **more):
    return Mutant(name, f"{name} is wrong", old, new, **{"noticed": "c06-02"} | more)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "__init__.py").touch()
    (tmp_path / "course_lib" / "ring.py").write_text("def factor(n):\n    return 2 * (n - 1) / n\n")
    cells = [
        nbformat.v4.new_code_cell(source, execution_count=i, outputs=[nbformat.from_dict(printed(text))] * bool(text))
        for i, (source, text) in enumerate(CELLS, start=1)
    ]
    save(nbformat.v4.new_notebook(cells=cells), tmp_path / CHAPTER.notebook)
    return tmp_path


def files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_cell_notices_a_change_of_the_notebook_or_of_the_library(project):
    before = files(project)
    mutants = [
        mutant("another number of ranks", "factor(4)", "factor(2)"),
        mutant("an assertion turned round", "sent < 2", "sent > 2", noticed="c06-03"),
        mutant("a divisor dropped", "(n - 1) / n", "(n - 1)", file="course_lib/ring.py"),
        mutant("a line without effect", "unused = 1", "unused = 2"),
    ]
    said = []
    outcomes = run(CHAPTER, mutants, jobs=2, say=said.append, root=project)
    assert [outcome.noticed for outcome in outcomes] == ["c06-02", "c06-03", "c06-02", None]
    assert said[0] == "unchanged: every cell passes"
    assert sorted(said[1:])[0] == "a divisor dropped: caught by c06-02"
    assert files(project) == before


def test_a_chapter_that_fails_unchanged_proves_nothing(project):
    (project / "course_lib" / "ring.py").write_text("def factor(n):\n    return 2.5\n")
    with pytest.raises(ValueError, match="Chapter 06 fails unchanged, at cell c06-02: repair it first"):
        run(CHAPTER, [mutant("a divisor dropped", "sent", "1")], jobs=1, say=print, root=project)


def test_the_table_ends_in_a_score_and_an_explained_survivor_is_told_apart():
    mutants = [mutant(name, "a", "b") for name in ("one", "two", "three")]
    mutants.append(mutant("four", "a", "b", survives="both round to the same digit"))
    lines = command.report(
        mutants, [Outcome("", "c06-02"), Outcome("", "c06-04"), Outcome("", None), Outcome("", None)]
    )
    assert [line.split()[0] for line in lines[1:-1]] == ["one", "two", "three", "four"]
    assert "SURVIVED" in lines[3] and "survived, explained" in lines[4] and "same digit" in lines[4]
    assert lines[-1] == "2 of 4 mutants caught (50 %), 1 of them by another cell than the one named."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["99"], "There is no chapter '99'"), (["10"], "Chapter 10 (distributed design) is planned")],
)
def test_a_chapter_that_is_not_there_is_a_sentence(arguments, words, capsys):
    assert command.main(arguments) == 2
    assert words in capsys.readouterr().err
