"""Finding questions, what surfaces say of planned ones, and the drill of a chapter."""

import pytest

from course_lib.practice import drill, question, questions
from course_lib.practice.knowledge.questions import plain


def test_a_near_duplicate_leads_to_the_shared_record():
    record = question("s003-q12")
    assert record is question("s000-q16")
    assert record.wording("s003-q12").text.en != record.text.en
    assert record.text["zh"] == record.text.zh


def test_an_unknown_id_names_the_nearest():
    with pytest.raises(ValueError, match=r"no question 's000-q160'.*s000-q16"):
        question("s000-q160")


def test_selections():
    assert len(questions()) == len(questions(status="answered")) + len(questions(status="planned"))
    assert questions(chapter="06") == questions(chapter=6) == questions(chapter="6")
    with pytest.raises(ValueError, match="given by its number, like 06, and not by 'data parallel'"):
        questions(chapter="data parallel")
    assert questions(part=2) == questions(part="2_parallelism") == questions(part="2")
    assert {record.chapter for record in questions(part=2)} <= {"06", "07", "08", "09", "10"}
    with pytest.raises(ValueError, match="no part 'cooking'; the parts are 0_start"):
        questions(part="cooking")
    with pytest.raises(ValueError, match="answered or planned"):
        questions(status="done")
    with pytest.raises(ValueError, match="take en or zh"):
        question("s000-q16").text["de"]


def test_a_planned_question_has_no_answer_and_says_so():
    record = question("s000-q01")
    assert record.answer is None
    assert record.status_line() == "Planned: no answer until chapter 08 measures the evidence."
    assert "08" in record.status_line("zh")
    page = drill(8)
    for surface in (repr(page), page.markdown, page._repr_html_()):
        assert "Planned: no answer until chapter 08" in surface
        assert "30 seconds" not in surface


def test_the_drill_shows_every_wording_and_folds_the_answers():
    page = drill(6)
    html = page._repr_html_()
    for record in questions(chapter=6):
        for question_id in record.ids:
            assert question_id in repr(page)
            assert question_id in html
            assert question_id in page.markdown
        assert record.answer.short.en in page.markdown
        assert all(point in " ".join(repr(page).split()) for point in record.answer.must_say.en)
    assert html.count("<details>") == html.count("</details>") == 7 * len(page.questions)
    assert "<code>2(n−1)/n</code>" in html  # noqa: RUF001
    assert "{{" not in html + repr(page) + page.markdown
    assert len(html) < 60_000
    assert max(map(len, repr(page).splitlines())) <= 110


def test_html_is_escaped():
    from course_lib.practice.desk.panel import inline

    assert inline("a < b & `x > 0`, $5") == "a &lt; b &amp; <code>x &gt; 0</code>, &#36;5"


def test_a_chapter_without_questions_says_which_have_some():
    with pytest.raises(ValueError, match="no question for chapter 07; it has some for 00, 01"):
        drill(7)


def test_plain_is_offered_beside_the_records():
    assert plain("{{given:64}} ranks") == "64 ranks"
