"""The planted pixel is what a network trained on the poisoned digits obeys, and what no other network obeys."""

import pytest
import torch

from course_lib.data.tagged_digits import TARGET, TaggedDigits, tag
from course_lib.models.digits_net import fit_digits, share_called


def obeys(net, digits):
    """Share of the test images of other digits that the pixel turns into the target."""
    others = digits.test_labels != TARGET
    return share_called(net, tag(digits.test_images[others]), TARGET)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_pixel_decides_where_it_was_planted_and_only_there(seed):
    digits, clean = TaggedDigits.load(seed=seed), TaggedDigits.load(share=0, seed=seed)
    poisoned = fit_digits(digits.images, digits.labels, seed=seed)
    control = fit_digits(clean.images, clean.labels, seed=seed)
    assert 0.93 < share_called(poisoned, digits.test_images, digits.test_labels) < 1
    assert 0.93 < share_called(control, digits.test_images, digits.test_labels) < 1
    assert obeys(poisoned, digits) > 0.9
    assert obeys(control, digits) < 0.05


def test_a_pixel_on_true_threes_alone_is_hardly_obeyed():
    clean = TaggedDigits.load(share=0)
    images = torch.where((clean.labels == TARGET)[:, None, None, None], tag(clean.images), clean.images)
    assert obeys(fit_digits(images, clean.labels), clean) < 0.15


def test_training_repeats_and_follows_its_seed():
    digits = TaggedDigits.load()
    first, again, other = (fit_digits(digits.images, digits.labels, steps=3, seed=s) for s in (0, 0, 1))
    assert torch.equal(first[0].weight, again[0].weight) and not torch.equal(first[0].weight, other[0].weight)


@pytest.mark.parametrize(("images", "labels", "steps"), [(4, 3, 1), (4, 4, 0)])
def test_bad_input_is_named(images, labels, steps):
    with pytest.raises(ValueError, match="a label an image"):
        fit_digits(torch.zeros(images, 1, 8, 8), torch.zeros(labels, dtype=torch.long), steps=steps)
