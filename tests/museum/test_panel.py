"""The three acts, as text, as a static page and as a widget."""

import ipywidgets
import pytest

from course_lib import museum
from course_lib.museum import panel as museum_panel
from course_lib.museum.widget import program_of, widget_of
from course_lib.practice.desk import presence
from course_lib.practice.desk.place import CourseError
from course_lib.practice.record.progress import Progress


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COURSE_ORDERED", raising=False)
    monkeypatch.setattr(museum_panel, "_drafts", {})


def test_run_tells_claim_fault_repair_and_why():
    panel = museum.run(22)
    assert [row.status for row in panel.rows] == ["note", "failed", "passed", "note", "note"]
    text = repr(panel)
    assert "4 are held by a job that cannot run" in text
    assert "8 and 0" in text
    assert text == repr(museum.run("22"))


def test_an_unknown_number_names_near_ones():
    with pytest.raises(CourseError, match=r"no exhibit '27'.*near yours: 25 \(.*\) and 24 \("):
        museum.run(27)
    with pytest.raises(CourseError, match=r"'E14'.*E13"):
        museum.show("E14")
    with pytest.raises(CourseError, match=r"'lru cache'.*16 \(Caching repeated predictions\)"):
        museum.find("lru cache")


@pytest.mark.parametrize(
    ("said", "meant"), [(7, "7"), ("7", "7"), ("#7", "7"), (" 7 ", "7"), ("e7", "E7"), ("E7", "E7")]
)
def test_numbers_are_read_kindly(said, meant):
    assert museum.find(said).number == meant


def test_spot_shows_the_program_with_its_lines():
    panel = museum.spot(16)
    assert ">  5      @lru_cache(maxsize=128)" in repr(panel)
    assert "5, 6, 7, 9" in repr(panel)


def test_spot_tells_every_line_right_or_wrong_with_its_reason(monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    for each in museum.exhibits():
        for line, (at_fault, reason) in each.choices().items():
            panel = museum.spot(each.number, line)
            assert panel.status == ("passed" if at_fault else "failed")
            assert reason in panel.rows[0].text


def test_spot_names_the_lines_where_another_was_chosen():
    assert "not among the lines to choose from: 5, 6, 7, 9" in repr(museum.spot(16, 1))


def test_what_the_reader_does_is_kept():
    museum.spot(16, 5)
    museum.spot(16, 6)
    kept = [(event.key, event.data["act"], event.data["right"]) for event in Progress.open().events("museum")]
    assert kept == [("16", "spot", True), ("16", "spot", False)]


def test_nothing_is_kept_where_outputs_are_compared(monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    museum.spot(16, 5)
    assert Progress.open().events("museum") == []


def test_show_is_number_title_and_source_as_text():
    text = repr(museum.show(24))
    assert text.startswith("Exhibit 24: Early stopping (chapter 04)")
    assert "best, best_epoch = loss, epoch" in text


def test_a_compared_page_has_no_widget(monkeypatch):
    monkeypatch.setenv("COURSE_ORDERED", "1")
    first, second = (museum.show(24)._repr_mimebundle_() for _ in range(2))
    assert set(first) == {"text/plain", "text/html"}
    assert first == second


def test_a_live_page_has_the_widget_and_the_same_text(monkeypatch):
    monkeypatch.setattr(presence, "in_live_notebook", lambda: True)
    bundle = museum.show(24)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(museum.show(24))


def parts(number):
    children = []
    for child in widget_of(museum.find(number)).children:
        children += child.children if isinstance(child, ipywidgets.HBox) else [child]
    buttons = {child.description: child for child in children if isinstance(child, ipywidgets.Button)}
    shown = {name: children[children.index(button) + 1] for name, button in buttons.items()}
    return children, buttons, shown


@pytest.mark.parametrize("number", [each.number for each in museum.exhibits()])
def test_every_control_has_a_label(number):
    children, buttons, _ = parts(number)
    assert list(buttons) == ["Run it", "Answer", "Begin again", "Check my repair", "Show the museum's repair"]
    for child in children:
        if not isinstance(child, ipywidgets.HTML):
            assert child.description
    assert all(button.tooltip for button in buttons.values())


def test_the_three_acts():
    children, buttons, shown = parts("E5")
    buttons["Run it"].click()
    assert "0.0625" in shown["Run it"].value and "64 GiB" in shown["Run it"].value

    buttons["Answer"].click()
    assert "Choose a line first" in shown["Answer"].value
    boxes = {child.description[:6]: child for child in children if isinstance(child, ipywidgets.Checkbox)}
    boxes["line 4"].value = True
    boxes["line 5"].value = True
    assert [name for name, box in boxes.items() if box.value] == ["line 5"]  # one line is chosen, the last one ticked
    buttons["Answer"].click()
    assert "Yes, line 5" in shown["Answer"].value

    editor = next(child for child in children if isinstance(child, ipywidgets.Textarea))
    buttons["Check my repair"].click()
    assert "still there" in shown["Check my repair"].value
    editor.value = editor.value.replace("1024**4", "1024**3")
    buttons["Check my repair"].click()
    assert "passed" in shown["Check my repair"].value
    editor.value = "def wrong(:"
    buttons["Check my repair"].click()
    assert "SyntaxError" in shown["Check my repair"].value
    buttons["Show the museum's repair"].click()
    assert "size / 1024**3" in shown["Show the museum's repair"].value
    assert not any(button.disabled for button in buttons.values())


def test_text_in_the_box_may_use_what_the_program_uses():
    exhibit = museum.find(6)
    program = program_of(exhibit, exhibit.repaired_source + "\n\ndef helper(): pass\n")
    assert program.__name__ == "repaired"
    assert exhibit.verdict(exhibit.run(program)) == "repaired"
    with pytest.raises(ValueError, match="defines no function"):
        program_of(exhibit, "x = 1")


def editor_of(number):
    return next(child for child in parts(number)[0] if isinstance(child, ipywidgets.Textarea))


def test_what_was_typed_is_there_when_the_cell_runs_again_and_after_a_restart(monkeypatch):
    mine = "def wrong(x):\n    return x  # half of my repair\n"
    editor_of("E5").value = mine
    assert editor_of("E5").value == mine
    monkeypatch.setattr(museum_panel, "_drafts", {})  # as a new kernel begins
    assert editor_of("E5").value == mine
    assert editor_of("E7").value == museum.find("E7").wrong_source


def test_begin_again_puts_the_program_back():
    editor_of("E5").value = "mine"
    _, buttons, _ = parts("E5")
    buttons["Begin again"].click()
    assert editor_of("E5").value == museum.find("E5").wrong_source


def test_code_with_tabs_and_code_with_spaces_run_alike():
    exhibit = museum.find("E7")
    tabbed = exhibit.repaired_source.replace("    ", "\t")
    mixed = exhibit.repaired_source.replace("    ", "\t", 1)
    assert "\t" in tabbed and mixed != tabbed
    for text in (tabbed, mixed):
        assert exhibit.verdict(exhibit.run(program_of(exhibit, text))) == "repaired"


def test_any_of_several_faulty_lines_is_right_and_the_question_says_so():
    exhibit = museum.find(10)
    faulty = [line for line, (at_fault, _) in exhibit.choices().items() if at_fault]
    assert len(faulty) == 3
    assert "3 lines are; name one of them" in repr(museum.spot(10))
    for line in faulty:
        panel = museum.spot(10, line)
        assert panel.status == "passed" and "One of 3 lines that are at fault" in repr(panel)
    assert "One of" not in repr(museum.spot(16, 5))


def test_the_name_of_a_fault_is_shown_when_it_is_found_and_not_before():
    for number in ("16", "21", "24", "E12"):
        exhibit = museum.find(number)
        before = repr(museum.show(number)) + repr(museum.spot(number))
        at_fault, fine = ([n for n, (guilty, _) in exhibit.choices().items() if guilty is is_] for is_ in (True, False))
        assert exhibit.fault_name not in before + repr(museum.spot(number, fine[0]))
        assert exhibit.fault_name in repr(museum.spot(number, at_fault[0]))
