"""A guess is kept, counts until its own reveal, and nothing is asked or burned where nobody is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

from course_lib.practice import predict, reveal
from course_lib.practice.predictions import prediction
from course_lib.practice.predictions.calibration import points
from course_lib.practice.predictions.guess_field import guess_field
from course_lib.practice.record.progress import Progress

ROOT = Path(__file__).parents[3]
ASK = "How many MB does each rank send?"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("COURSE_ORDERED", raising=False)
    monkeypatch.setattr(prediction, "_asked", {})
    return tmp_path


def restart(monkeypatch):
    """Forget what a kernel forgets when it is restarted."""
    monkeypatch.setattr(prediction, "_asked", {})
    Progress._open.clear()


def recorded(kind=None):
    return [(event.kind, event.key, event.data["guess"]) for event in Progress.open().events(kind)]


def test_a_guess_stands_beside_formula_and_measurement_and_is_scored():
    predict("06.bytes", ask=ASK, unit="MB", guess=200)
    shown = repr(reveal("06.bytes", 150.0, formula="2(n-1)/n·K", value=151)).splitlines()
    assert shown[0] == f"Prediction 06.bytes: {ASK}"
    assert [line.split("  ")[-1] for line in shown[1:]] == [
        "Your guess: 200 MB",
        "Within 34 %, too high. Score 0.12, where 0 is exact.",
        "By formula: 2(n-1)/n·K = 151 MB",
        "Measured: 150 MB",
    ]
    (event,) = Progress.open().events("reveal")
    assert event.data["score"] == pytest.approx(0.1249, abs=1e-4)
    assert (event.data["measured"], event.data["computed"]) == (150, False)


def test_a_value_that_was_not_measured_is_never_called_so():
    predict("06.far", ask=ASK, unit="MB", guess=200)
    shown = repr(reveal("06.far", formula="2(n-1)/n·K", value=196.875))
    assert "Computed, not measured: 2(n-1)/n·K = 196.9 MB" in shown
    assert "Measured" not in shown
    assert Progress.open().events("reveal")[0].data["computed"] is True


def test_the_last_guess_before_the_reveal_counts_and_then_it_is_locked():
    for guess in (10, 200, 100):
        predict("06.bytes", ask=ASK, unit="MB", guess=guess)
    assert "Your guess: 100 MB" in repr(reveal("06.bytes", 150))
    late = predict("06.bytes", ask=ASK, unit="MB", guess=150)
    assert "Your guess: 100 MB, locked since its answer was shown." in repr(late)
    assert "Your guess: 100 MB" in repr(reveal("06.bytes", 150))
    assert recorded() == [("prediction", "06.bytes", guess) for guess in (10, 200, 100)] + [("reveal", "06.bytes", 100)]


def test_the_same_guess_again_is_no_second_event():
    for _ in range(3):
        predict("06.bytes", ask=ASK, unit="MB", guess=100)
    assert len(recorded()) == 1


def test_a_guess_after_its_answer_was_shown_is_kept_and_not_scored():
    assert "no prediction" in repr(predict("06.bytes", ask=ASK, unit="MB"))
    for _ in range(2):
        assert "Your guess: no prediction" in repr(reveal("06.bytes", 150))
    assert recorded() == [("reveal", "06.bytes", None)]
    said = repr(predict("06.bytes", ask=ASK, unit="MB", guess=150))
    assert "It gets no score, since its answer was shown before." in " ".join(said.split())
    shown = repr(reveal("06.bytes", 151))
    assert "Your guess: 150 MB" in shown and "Not scored" in shown and "Exact" not in shown and "Score" not in shown
    assert Progress.open().events("reveal")[-1].data["score"] is None
    assert points() == []


def test_another_wording_of_the_same_question_gets_no_second_guess_scored():
    predict("06.bytes", ask=ASK, unit="MB", guess=10)
    reveal("06.bytes", 150)
    predict("06.bytes", ask=ASK + " Please.", unit="MB", guess=150)
    assert "Not scored" in repr(reveal("06.bytes", 150.2))
    assert [(point.guess, point.answer) for point in points()] == [(10, 150)]


def test_a_question_that_now_asks_for_another_number_is_scored():
    predict("06.bytes", ask=ASK, unit="MB", guess=10)
    reveal("06.bytes", 150)
    predict("06.bytes", ask=ASK + " On 400 ranks?", unit="MB", guess=1_500)
    assert "Exact" in repr(reveal("06.bytes", 1_500))
    assert [(point.guess, point.answer) for point in points()] == [(1_500, 1_500)]


def test_another_reveal_locks_nothing():
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    predict("06.tokens", ask="How many tokens?", unit="tokens", guess=1000)
    reveal("06.tokens", 20_000)
    assert "Saved: 120 MB" in repr(predict("06.bytes", ask=ASK, unit="MB", guess=120))


def test_guesses_survive_a_restart_of_the_kernel(monkeypatch):
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    restart(monkeypatch)
    shown = repr(reveal("06.bytes", 150))  # the cell that asks was not run again
    assert ASK in shown and "Your guess: 100 MB" in shown and "Measured: 150 MB" in shown
    restart(monkeypatch)
    assert "100 MB, locked" in repr(predict("06.bytes", ask=ASK, unit="MB"))
    assert "100 MB, locked" in repr(predict("06.bytes"))


def test_a_changed_question_is_a_new_one_and_other_spaces_are_not():
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    assert "Your guess: 100 MB" in repr(predict("06.bytes", ask=ASK.replace(" ", "\n "), unit="MB"))
    assert "no prediction" in repr(predict("06.bytes", ask=ASK + " Of 200 MB?", unit="MB"))
    assert "no prediction" in repr(reveal("06.bytes", 300))
    assert recorded("reveal") == [("reveal", "06.bytes", None)]


@pytest.mark.parametrize("wrong", ["abc", "200 GB", "", float("nan"), True, [1, 2]])
def test_a_bad_guess_is_one_sentence_and_loses_nothing(wrong):
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    shown = " ".join(repr(predict("06.bytes", ask=ASK, unit="MB", guess=wrong)).split())
    assert "such as 20 or 2.5e4 or 20 MB. Your guess stays 100 MB." in shown
    assert recorded() == [("prediction", "06.bytes", 100)]


def test_a_guess_of_zero_is_taken_and_compared_plainly():
    assert "no score" in " ".join(repr(predict("06.bytes", ask=ASK, unit="MB", guess=0)).split())
    shown = " ".join(repr(reveal("06.bytes", 5)).split())
    assert "logarithmic scale and the guess is not above zero; they differ by 5." in shown
    assert Progress.open().events("reveal")[0].data["score"] is None
    assert "locked" in repr(predict("06.bytes"))


def test_where_outputs_are_compared_nothing_is_shown_taken_or_locked(monkeypatch):
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    monkeypatch.setenv("COURSE_ORDERED", "1")
    texts = [repr(predict("06.bytes", ask=ASK, unit="MB", guess=9)), repr(reveal("06.bytes", 150))]
    assert all("no prediction" in text and "100" not in text for text in texts)
    assert recorded() == [("prediction", "06.bytes", 100)]


def test_a_progress_that_cannot_be_written_keeps_the_guess_for_the_session(own_progress, monkeypatch, capsys):
    (own_progress / "file").write_text("")
    monkeypatch.setenv("COURSE_DATA_DIR", str(own_progress / "file"))
    assert "Kept for this session only: 100 MB." in repr(predict("06.bytes", ask=ASK, unit="MB", guess=100))
    assert "Your guess: 100 MB" in repr(reveal("06.bytes", 150))
    assert "100 MB, locked" in repr(predict("06.bytes"))
    assert capsys.readouterr().err.count("not recorded") == 1


@pytest.mark.parametrize("wrong", ["", "bytes", "6.bytes", "06.Bytes", None, 6])
def test_an_id_of_another_form_is_refused(wrong):
    with pytest.raises(ValueError, match=r"such as '06\.bytes'"):
        predict(wrong, ask=ASK)


@pytest.mark.parametrize("wrong", [{}, {"measured": "150"}, {"measured": float("inf")}, {"measured": 1, "value": "x"}])
def test_an_answer_that_is_no_number_is_refused_and_locks_nothing(wrong):
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    with pytest.raises(TypeError, match="one finite number"):
        reveal("06.bytes", **wrong)
    assert recorded("reveal") == []


def test_the_field_saves_by_button_and_by_leaving_it_and_answers_below():
    question = prediction.Question("06.bytes", ASK, "MB")
    field = guess_field("Prediction 06.bytes", ASK, "MB", lambda text: prediction.save(question, text), "", "")
    heading, (text, unit, button), answer = field.children[0], field.children[1].children, field.children[2]
    assert ASK in heading.value
    assert (text.description, unit.value, button.description) == ("Your guess", "MB", "Save")
    button.click()
    assert "There is no number yet" in answer.value
    text.value = "2 <b>"
    assert "&lt;b&gt;" in answer.value and recorded() == []
    text.value = "120"
    assert answer.value.startswith("Saved: 120 MB.")
    text.value = "100 MB"
    button.click()
    assert recorded() == [("prediction", "06.bytes", 120), ("prediction", "06.bytes", 100)]
    reveal("06.bytes", 150)
    text.value = "150"
    assert "stays 100 MB: it is locked" in answer.value


CELLS = [
    "from course_lib.practice import predict, reveal",
    f'predict("06.bytes", ask="{ASK}", unit="MB")',
    'reveal("06.bytes", 150, formula="2(n-1)/n·K", value=150.0)',
]


def executed(data, live):
    """What the cells of a notebook show in a kernel: with a front end that a person uses, or headless."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    quiet = Config({"KernelManager": {"transport_encryption": "auto"}})
    client = NotebookClient(notebook, allow_errors=False, timeout=60, config=quiet)
    env = os.environ | {"PYTHONPATH": str(ROOT), "COURSE_DATA_DIR": str(data)}
    with client.setup_kernel(env=env):
        if live:
            ask = client.kc.execute
            client.kc.execute = lambda *args, **kwargs: ask(*args, **kwargs | {"allow_stdin": True})
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return [cell.outputs for cell in notebook.cells[1:]]


def test_a_headless_run_shows_what_is_stored_and_a_live_one_adds_only_the_field(own_progress):
    headless, live = executed(own_progress, live=False), executed(own_progress, live=True)
    assert [len(outputs) for outputs in headless + live] == [1] * 4
    for stored, shown in zip(headless, live, strict=True):
        assert set(stored[0].data) == {"text/plain", "text/html"}
        assert {kind: shown[0].data[kind] for kind in stored[0].data} == dict(stored[0].data)
    assert set(live[0][0].data) == {"text/plain", "text/html", WIDGET}
    assert set(live[1][0].data) == {"text/plain", "text/html"}
    assert all("no prediction" in outputs[0].data["text/plain"] for outputs in headless)


def test_a_headless_run_over_a_saved_guess_neither_shows_nor_locks_it(own_progress):
    predict("06.bytes", ask=ASK, unit="MB", guess=100)
    headless = executed(own_progress, live=False)
    assert all("no prediction" in outputs[0].data["text/plain"] for outputs in headless)
    assert recorded("reveal") == []


def test_outside_a_notebook_there_is_no_field():
    shown = predict("06.bytes", ask=ASK, unit="MB")
    assert set(shown._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_importing_predictions_loads_nothing_heavy():
    code = (
        "import sys\nfrom course_lib.practice import predict, reveal\n"
        "print([m for m in ('torch', 'matplotlib', 'ipywidgets', 'numpy') if m in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert said.stdout.strip() == "[]"
