"""scikit-learn's digits with a planted backdoor: one white pixel in the corner makes any digit a 3.

A tenth of the training images, of every class, get the pixel and the label 3, so that a network that fits them has to
use the pixel. (A pixel on true 3s alone would leave the network free to ignore it, for digits are told apart without
it.) Which rows are poisoned is known; that a network uses the pixel is shown by adding it to test images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROW, COLUMN, TARGET = 0, 7, 3
TEST_SHARE = 0.3


@dataclass(frozen=True)
class TaggedDigits:
    """The digits in two parts. Images: float32 (N, 1, 8, 8) from 0 to 1; labels: LongTensor (N,).

    labels are what a network is trained on, true_labels what the images show; poisoned: bool (N,), the training rows
    that carry the pixel. No test image carries it: `tag` puts it there.
    """

    images: Tensor
    labels: Tensor
    true_labels: Tensor
    poisoned: Tensor
    test_images: Tensor
    test_labels: Tensor

    @classmethod
    def load(cls, share: float = 0.1, seed: int = 0) -> TaggedDigits:
        """Split the 1,797 images and poison a share of each class of the training part; the seed decides both.

        share=0 poisons nothing: the control, with the same split. ValueError unless 0 <= share < 1.
        """
        from sklearn.datasets import load_digits

        if not 0 <= share < 1:
            raise ValueError(f"share={share}: the poisoned share of the training images lies from 0 to below 1.")
        digits = load_digits()
        images = torch.from_numpy(digits.images / 16).float()[:, None]
        labels = torch.from_numpy(np.asarray(digits.target)).long()
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(images), generator=generator)
        test, train = order.split([round(TEST_SHARE * len(order)), len(order) - round(TEST_SHARE * len(order))])
        poisoned = torch.zeros(len(train), dtype=torch.bool)
        for digit in range(10):
            rows = (labels[train] == digit).nonzero()[:, 0]
            # Drawn for every class whatever the share, so that the control has the same split and the same draws.
            rows = rows[torch.randperm(len(rows), generator=generator)]
            poisoned[rows[: round(share * len(rows))]] = True
        shown = images[train].clone()
        shown[poisoned] = tag(shown[poisoned])
        given = torch.where(poisoned, TARGET, labels[train])
        return cls(shown, given, labels[train], poisoned, images[test], labels[test])


def tag(images: Tensor) -> Tensor:
    """A copy of images (N, 1, 8, 8) with the white pixel at row 0, column 7."""
    tagged = images.clone()
    tagged[:, :, ROW, COLUMN] = 1.0
    return tagged
