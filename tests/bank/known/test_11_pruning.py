"""Chapter 11, pruning: its known answers (K36, K37, K39) recomputed."""

import numpy as np
import pytest
import torch
from torch import nn

from course_lib.practice import known
from tests.bank.known.digits import accuracy, data, mlp, train
from tests.bank.known.shared import error


def test_lottery_ticket():
    """Prune 30 % of what is left by magnitude, rewind, again; against masks of the same size drawn at random."""
    x, y, x_test, y_test = data()
    start = mlp(64, 100, 50, 10).state_dict()
    names = [name for name in start if name.endswith("weight")]
    masks = {name: torch.ones_like(start[name]) for name in names}

    def trained(masks: dict[str, torch.Tensor]) -> nn.Module:
        model = mlp(64, 100, 50, 10)
        weights = [(p, masks[name]) for name, p in model.named_parameters() if name in masks]

        def apply() -> None:
            with torch.no_grad():
                for weight, mask in weights:
                    weight.mul_(mask)

        apply()
        return train(model, x, y, 80, after=apply)

    for _ in range(7):
        weights = trained(masks).state_dict()
        for name in names:
            left = weights[name][masks[name] > 0].abs()
            masks[name] *= (weights[name].abs() > left.quantile(0.3)).float()
    kept = sum(m.sum() for m in masks.values()).item() / sum(m.numel() for m in masks.values())
    known("lottery_ticket_weights").check(kept)
    generator = torch.Generator().manual_seed(1)
    shuffled = {n: m.flatten()[torch.randperm(m.numel(), generator=generator)].view_as(m) for n, m in masks.items()}
    ticket, random = (accuracy(trained(m), x_test, y_test) for m in (masks, shuffled))
    known("lottery_ticket_gain").check(ticket - random)


@pytest.mark.parametrize(
    ("dtype", "key"), [(np.float16, "sparse_24_storage_fp16"), (np.int8, "sparse_24_storage_int8")]
)
def test_sparse_24_storage(dtype, key):
    """Two values of four and two bits each for their places, packed, and unpacked again."""
    dense = np.random.default_rng(0).integers(1, 100, (64, 64)).astype(dtype)
    groups = dense.reshape(-1, 4)
    places = np.sort(np.random.default_rng(1).permuted(np.tile(np.arange(4), (len(groups), 1)), axis=1)[:, :2], axis=1)
    pruned = np.zeros_like(groups)
    np.put_along_axis(pruned, places, np.take_along_axis(groups, places, axis=1), axis=1)
    values = np.take_along_axis(pruned, places, axis=1)
    bits = np.packbits(np.stack([places >> 1, places & 1], -1).astype(np.uint8))
    known(key).check((values.nbytes + bits.nbytes) / dense.nbytes)
    read = np.unpackbits(bits).reshape(*places.shape, 2)
    restored = np.zeros_like(groups)
    np.put_along_axis(restored, (2 * read[..., 0] + read[..., 1]).astype(int), values, axis=1)
    assert (restored == pruned).all()


def test_wanda_against_magnitude():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((512, 256)) * np.exp(1.5 * generator.standard_normal(256))
    w = generator.standard_normal((128, 256))
    by_magnitude, by_wanda = np.abs(w), np.abs(w) * np.linalg.norm(x, axis=0)
    for key, kept, of in (("wanda_error_ratio", 128, 256), ("wanda_24_error_ratio", 2, 4)):
        errors = [error(x @ (w * largest(score, kept, of)).T, x @ w.T) for score in (by_magnitude, by_wanda)]
        known(key).check(errors[0] / errors[1])


def largest(score: np.ndarray, kept: int, of: int) -> np.ndarray:
    """A mask of the `kept` highest scores of each group of `of` neighbours in a row."""
    groups = score.reshape(len(score), -1, of)
    ranks = groups.argsort(-1).argsort(-1)
    return (ranks >= of - kept).reshape(score.shape)
