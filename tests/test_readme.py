"""The README shows chapter 06 as it is, its links lead somewhere, and its commands exist."""

import re

from tools.readme import PICTURE, lines, stored_picture
from tools.storing import ROOT

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


def test_chapters_that_are_there_are_on_the_map():
    there = {path.name[:2] for path in ROOT.glob("notebooks/**/*.ipynb") if ".ipynb_checkpoints" not in path.parts}
    shown = set()
    for row in re.findall(r"^\| \d .*\|$", README, re.MULTILINE):
        shown |= set(re.findall(r"\d\d", row.split("|")[3]))
    assert shown == there
