"""What is typed is kept while it is typed, Enter does what the button does, and code keeps its lines."""

import asyncio

import ipywidgets

from course_lib.practice.desk.controls import code_block, on_enter, while_typing


def typing(*texts, every, pause):
    """What is kept of a box that holds one text after the other, `pause` seconds apart."""
    kept, box = [], ipywidgets.Textarea("begun before")
    while_typing(box, kept.append, every=every)

    async def type_all():
        for text in texts:
            box.value = text
            await asyncio.sleep(pause)
        await asyncio.sleep(3 * every)

    asyncio.run(type_all())
    assert box.continuous_update  # else the page sends nothing before the box is left
    return kept


def test_what_is_typed_is_kept_before_the_box_is_left():
    words = ["a" * n for n in range(1, 40)]
    kept = typing(*words, every=0.05, pause=0.001)
    assert kept[0] == "a" and kept[-1] == words[-1]
    assert len(kept) < 20, "not an event for every letter"


def test_nothing_is_kept_twice():
    assert typing("one", every=0.01, pause=0.05) == ["one"]


def test_without_a_loop_every_change_is_kept_at_once():
    kept, box = [], ipywidgets.Textarea()
    while_typing(box, kept.append)
    box.value = "one"
    box.value = "two"
    assert kept == ["one", "two"]


def test_enter_waits_for_the_letter_that_is_still_on_its_way():
    done, line = [], ipywidgets.Text("1.")

    async def enter():
        on_enter(line, lambda field: done.append(field.value))
        line._handle_custom_msg({"event": "submit"}, [])
        line._handle_custom_msg({"event": "another"}, [])
        await asyncio.sleep(0.02)
        line.value = "1.5"
        await asyncio.sleep(0.3)

    asyncio.run(enter())
    assert done == ["1.5"]


def test_code_scrolls_by_itself_and_is_escaped():
    shown = code_block("if a < b:\n    pass")
    assert "white-space:pre;overflow-x:auto" in shown and "width:0;min-width:100%" in shown
    assert "if a &lt; b:\n    pass" in shown
