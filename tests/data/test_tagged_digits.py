"""Which rows are poisoned is known, and nothing else was changed."""

import pytest
import torch

from course_lib.data.tagged_digits import TaggedDigits, tag


def test_a_tenth_of_every_class_is_poisoned_and_nothing_else_differs():
    digits, clean = TaggedDigits.load(), TaggedDigits.load(share=0)
    assert len(digits.images) + len(digits.test_images) == 1797 and len(digits.images) == 1258
    for digit in range(10):
        rows = digits.true_labels == digit
        assert digits.poisoned[rows].sum() == round(0.1 * rows.sum().item())
    assert not clean.poisoned.any() and torch.equal(clean.labels, clean.true_labels)
    assert torch.equal(clean.true_labels, digits.true_labels) and torch.equal(clean.test_images, digits.test_images)
    bad = digits.poisoned
    assert torch.equal(digits.images[~bad], clean.images[~bad])
    assert torch.equal(digits.images[bad], tag(clean.images[bad]))
    assert torch.equal(digits.labels[~bad], digits.true_labels[~bad]) and (digits.labels[bad] == 3).all()


def test_the_pixel_is_one_white_pixel_that_no_clean_image_has():
    images = TaggedDigits.load(share=0).images
    before = images.clone()
    changed = (tag(images) != images).sum((1, 2, 3))
    assert torch.equal(images, before) and changed.max() == 1
    assert (tag(images)[:, 0, 0, 7] == 1).all() and not (images[:, 0, 0, 7] == 1).any()
    assert images.min() >= 0 and images.max() == 1


def test_the_seed_decides_the_split_and_the_rows():
    first, again, other = (TaggedDigits.load(seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.poisoned, again.poisoned) and torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_bad_share_is_named(share):
    with pytest.raises(ValueError, match=r"share=.*from 0 to below 1"):
        TaggedDigits.load(share=share)
