"""Each chapter's list of mutants fits its notebook: every text stands where the list says, exactly once."""

import nbformat
import pytest
import yaml

from course_lib.practice.desk.place import is_planned
from tools.chapter import Laid, every
from tools.mutants.listing import Mutant, changed_cell, check, read
from tools.storing import ROOT

LEAST = 10
LISTED = [one for one in every().values() if (ROOT / one.mutants).is_file()]
EACH = [(one, mutant) for one in LISTED for mutant in read(ROOT / one.mutants)]


@pytest.mark.parametrize(("chapter", "mutant"), EACH, ids=[f"{one.number}-{mutant.name}" for one, mutant in EACH])
def test_a_mutant_finds_its_text_once_and_a_cell_that_could_notice(chapter: Laid, mutant: Mutant):
    check(mutant, nbformat.read(ROOT / chapter.notebook, as_version=4), ROOT)


@pytest.mark.parametrize("chapter", LISTED, ids=lambda one: one.number)
def test_a_list_is_long_enough(chapter: Laid):
    assert is_planned(ROOT / chapter.notebook) or len(read(ROOT / chapter.mutants)) >= LEAST


SAMPLE = {"name": "divisor", "wrong": "the mean is a sum", "old": "/ 4", "new": "/ 1", "noticed": "c06-02"}
CELLS = {"c06-01": "mean = total / 4", "c06-02": "print(mean / 2)", "c06-03": "%%bash\necho / 4"}


def book():
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    return nbformat.v4.new_notebook(cells=cells[:2])


def written(folder, *rows):
    path = folder / "06_data_parallel.yaml"
    path.write_text(yaml.safe_dump(list(rows)))
    return path


def test_a_list_is_read_and_a_change_is_made_in_its_cell_alone(tmp_path):
    (mutant,) = read(written(tmp_path, SAMPLE))
    check(mutant, book(), tmp_path)
    assert changed_cell(mutant, book()) == (0, "mean = total / 1")
    named = Mutant(**SAMPLE | {"cell": "c06-02", "old": "/ 2", "new": "* 2"})
    assert changed_cell(named, book()) == (1, "print(mean * 2)")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"old": "/ 5"}, "'/ 5' is gone in the notebook's code"),
        ({"old": "/ 4", "cell": "c06-02"}, "'/ 4' is gone in cell c06-02"),
        ({"old": "mean"}, "'mean' stands 2 times in the notebook's code"),
        ({"cell": "c06-77"}, "no code cell c06-77"),
        ({"noticed": "c06-77"}, "no code cell c06-77 that could notice it"),
        ({"cell": "c06-02", "old": "/ 2", "noticed": "c06-01"}, "runs before the changed one"),
        ({"new": "/ 4"}, "are the same"),
        ({"new": "/ ("}, "does not compile"),
        ({"file": "course_lib/ring.py"}, "there is no file course_lib/ring.py"),
        ({"file": "mean.py"}, "'/ 4' stands 2 times in mean.py"),
        ({"file": "mean.py", "old": "/ 6"}, "'/ 6' is gone in mean.py"),
    ],
)
def test_a_mutant_that_cannot_be_made_is_named_in_a_sentence(tmp_path, change, words):
    (tmp_path / "mean.py").write_text("a = 1 / 4\nb = 2 / 4\n")
    with pytest.raises(ValueError, match="Mutant divisor") as caught:
        check(Mutant(**SAMPLE | change), book(), tmp_path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- name: [", "not YAML near line"),
        ("name: divisor", "no list of mutants"),
        ("- divisor", "no list of mutants"),
        (yaml.safe_dump([{k: v for k, v in SAMPLE.items() if k != "noticed"}]), "mutant divisor has no `noticed`"),
        (yaml.safe_dump([{k: v for k, v in SAMPLE.items() if k != "name"}]), "mutant number 1 has no `name`"),
        (yaml.safe_dump([SAMPLE | {"caught": "c06-02"}]), "has a key `caught` that means nothing here"),
        (yaml.safe_dump([SAMPLE | {"cell": "c06-01", "file": "a.py"}]), "names a cell and a file"),
        (yaml.safe_dump([SAMPLE, SAMPLE]), "two mutants named 'divisor'"),
    ],
)
def test_a_damaged_list_is_told_in_a_sentence(tmp_path, text, words):
    path = tmp_path / "06_data_parallel.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=words):
        read(path)
    with pytest.raises(ValueError, match=r"There is no 07_x\.yaml"):
        read(tmp_path / "07_x.yaml")
