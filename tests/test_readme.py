"""The README shows chapter 06 as it is, its links lead somewhere, and its commands exist."""

import json
import re
import shutil
from pathlib import Path

from tools.chapter import every
from tools.readme import PICTURE, course_map, lines, stored_picture
from tools.storing import ROOT, chapter_files

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_picture_has_the_words_that_the_notebook_gives_it():
    _, caption = stored_picture()
    assert lines(caption) in README
    assert 5_000 < (ROOT / PICTURE).stat().st_size <= 60_000


def test_local_links_lead_to_files():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_make_targets_are_in_the_makefile():
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert {"lab", "test", "bench", "test-gpu"} <= targets
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_the_map_is_the_curriculums():
    assert course_map() in README, "run `python -m tools.readme`"


def test_a_planned_chapter_is_on_the_map_and_not_there(tmp_path):
    for path in (Path("course_lib/bank/curriculum.yaml"), *(one.relative_to(ROOT) for one in chapter_files(["all"]))):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    assert course_map(tmp_path) == course_map()
    course = {"cells": [], "metadata": {"course": {"status": "planned"}}}
    new = tmp_path / every()["10"].notebook
    new.write_text(json.dumps(course))
    assert course_map(tmp_path) == course_map()
    new.write_text(json.dumps({"cells": [], "metadata": {"course": {}}}))
    (row,) = (line for line in course_map(tmp_path).splitlines() if line.startswith("| 2 "))
    assert "10 distributed design" in row and row.endswith(", 10 |")
