"""A small convolutional network for the 8 by 8 digits, trained in a second or two."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.lab.device import seed_all


class DigitsNet(nn.Sequential):
    """Images (N, 1, 8, 8) -> logits (N, 10): two convolutions with ReLU, one halving, one linear layer."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )


def fit_digits(images: Tensor, labels: Tensor, steps: int = 250, seed: int = 0) -> DigitsNet:
    """Train on images (N, 1, 8, 8) and labels (N,): Adam at 3e-3, 64 images a step; the seed decides all."""
    if len(images) != len(labels) or steps < 1:
        raise ValueError(
            f"{len(images)} images, {len(labels)} labels, {steps} steps: a label an image, at least a step."
        )
    seed_all(seed)
    net, generator = DigitsNet(), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(steps):
        rows = torch.randint(len(images), (64,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(net(images[rows]), labels[rows]).backward()
        optimizer.step()
    return net.eval()


@torch.no_grad()
def share_called(net: nn.Module, images: Tensor, labels: Tensor | int) -> float:
    """Share of images that the network gives these labels (N,), or this one label."""
    return (net(images).argmax(-1) == labels).float().mean().item()
