"""A committed file is what its card says: the hash, the score, the recipe; what does not fit is named."""

import json

import pytest
import torch

from course_lib.data.text import Corpus
from course_lib.models import checkpoint
from course_lib.models.checkpoint import RECIPES, WEIGHTS, Recipe, load_checkpoint, read_card, write_checkpoint
from course_lib.models.train_gpt import bits_per_char, fit, small_gpt

SMALL = {"block_size": 16, "num_layers": 1, "num_heads": 1, "d_model": 16}


@pytest.fixture(scope="module")
def corpus():
    return Corpus.load()


def test_the_committed_gpt_scores_what_its_card_says(corpus):
    card, model = read_card("gpt_d64"), load_checkpoint("gpt_d64")
    assert not model.training and model.num_parameters() == card["num_parameters"] == 117_376
    assert bits_per_char(model, corpus.held_out) == pytest.approx(card["bits_per_char"]["held_out"], abs=0.005)
    # Better than bz2 alone (2.57) and than GPT-2's start with the same steps (1.98), worse on what it has not read.
    assert 1.5 < card["bits_per_char"]["train"] < card["bits_per_char"]["held_out"] < 1.93


@pytest.mark.parametrize("name", RECIPES)
def test_the_card_says_how_it_was_made(name, corpus):
    card, recipe = read_card(name), RECIPES[name]
    assert (card["fit"], card["seed"], card["why"]) == (recipe.fit, recipe.seed, recipe.why)
    assert card["config"].items() >= recipe.config.items()
    assert card["corpus_sha256"] == corpus.sha256 and card["torch"] == "2.13.0"


@pytest.fixture
def copied(tmp_path):
    """A folder with a small model and its card, made as the committed ones are."""
    model = small_gpt(**SMALL)
    write_checkpoint("tiny", model, {"fit": {"steps": 0}, "seed": 0}, tmp_path)
    return tmp_path, model


def test_what_was_written_is_read_again(copied):
    folder, model = copied
    again = load_checkpoint("tiny", folder)
    assert again.config == model.config and not again.training
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)


def spoil(path, change):
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda f: (f / "tiny.json").unlink(), "There is no card .*tiny.json: the committed weights are none"),
        (lambda f: (f / "tiny.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "tiny.json").write_text("[]"), "lacks config, corpus_sha256"),
        (lambda f: spoil(f / "tiny.json", lambda card: card.pop("sha256")), "lacks sha256"),
        (lambda f: (f / "tiny.safetensors").unlink(), "is missing, though its card is there"),
        (lambda f: spoil(f / "tiny.json", lambda card: card["config"].update(d_model=32)), "does not fit the config"),
        (lambda f: spoil(f / "tiny.json", lambda card: card["config"].update(width=1)), "does not fit the config"),
    ],
)
def test_what_does_not_fit_is_named_in_one_sentence(copied, fault, words):
    folder, _ = copied
    fault(folder)
    with pytest.raises(ValueError, match=words) as caught:
        load_checkpoint("tiny", folder)
    assert "\n" not in str(caught.value)


def test_one_changed_bit_is_found_before_it_is_read(copied):
    folder, _ = copied
    path = folder / "tiny.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"has the sha256 .*and its card says .*restore both"):
        load_checkpoint("tiny", folder)


def test_making_it_again_writes_a_file_that_loads(tmp_path, monkeypatch, capsys):
    def train(seed, **changes):
        model = small_gpt(seed, **SMALL)
        fit(model, Corpus.load(), **({"steps": 3, "batch_size": 2} | changes))
        return model

    tiny = Recipe(SMALL, {"steps": 3, "batch_size": 2}, "a test", train, lambda model: {"heads": {"of": 1}}, seed=5)
    monkeypatch.setitem(RECIPES, "tiny", tiny)
    threads = torch.get_num_threads()
    assert checkpoint.main(["tiny", "--folder", str(tmp_path)]) == 0
    torch.set_num_threads(threads)
    card = read_card("tiny", tmp_path)
    assert card["sha256"] in capsys.readouterr().out
    assert card.items() >= {"fit": tiny.fit, "seed": 5, "why": "a test", "heads": {"of": 1}}.items()
    for name, value in train(5).state_dict().items():
        # Within what another number of threads changes in three steps.
        torch.testing.assert_close(load_checkpoint("tiny", tmp_path).state_dict()[name], value, atol=2e-3, rtol=0.02)


def test_the_committed_files_are_small_and_none_lacks_its_card():
    files = sorted(WEIGHTS.glob("*.safetensors"))
    assert files and {path.stem for path in files} == {path.stem for path in WEIGHTS.glob("*.json")}
    assert all(path.stat().st_size < 1_000_000 for path in files)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "within"), [("gpt_d64", 0.05), ("rule_gpt", 0.01)])
def test_its_recipe_leads_to_it_again(name, within):
    card, recipe = read_card(name), RECIPES[name]
    for measure, values in recipe.score(recipe.train(recipe.seed)).items():
        assert values == pytest.approx(card[measure], abs=within)
