"""Exhibit 11: the baseline is overwritten before the canary starts, so the test compares a model with itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from course_lib.lab.measure import rounded
from course_lib.museum.exhibit import Exhibit, Finding, Range

if TYPE_CHECKING:
    from torch import nn


def wrong(serving: nn.Module, new: nn.Module, users: list[int]) -> tuple[nn.Module, nn.Module, list[int]]:
    """Start a canary: return the baseline, the canary and a random tenth of the users for it."""
    for old, fresh in zip(serving.parameters(), new.parameters(), strict=True):
        old.data.copy_(fresh.data)
    canary = serving
    share = len(users) // 10
    return serving, canary, users[:share]


def repaired(serving: nn.Module, new: nn.Module, users: list[int]) -> tuple[nn.Module, nn.Module, list[int]]:
    """Start a canary: return the baseline, the canary and a random tenth of the users for it."""
    import copy
    import hashlib

    canary = copy.deepcopy(new)  # parameters and buffers; what serves stays untouched and is the way back

    def bucket(user: int) -> int:
        return int.from_bytes(hashlib.sha256(f"canary-1/{user}".encode()).digest()[:4], "big") % 10

    return serving, canary, [user for user in users if bucket(user) == 0]


def measure(program: Callable[..., tuple[nn.Module, nn.Module, list[int]]]) -> Finding:
    """Compare baseline with canary, canary with the new model, and the canary's users with all users."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    def build(shift: float) -> nn.Module:
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
        model(torch.randn(64, 4) * (1 + shift) + shift)  # gives batch-norm its statistics
        return model.eval()

    serving, new, probe = build(0.0), build(3.0), torch.randn(32, 4)
    users = list(range(1000))  # ids in order of registration
    expected = new(probe)
    baseline, canary, group = program(serving, new, users)
    apart = max(float((a - b).abs().max()) for a, b in zip(baseline.parameters(), canary.parameters(), strict=True))
    wrong_output = float((canary(probe) - expected).abs().max())
    mean = sum(group) / max(1, len(group))
    sticky = program(build(0.0), build(3.0), users)[2] == group
    faults = [
        f"The canary's outputs differ from the new model's by {rounded(wrong_output, 2)}." * (wrong_output > 1e-6),
        f"The canary's users have a mean id of {rounded(mean)} where all have 500: not a random tenth."
        * (abs(mean - 500) > 90),
        "A second call chooses other users." * (not sticky),
    ]
    return Finding(
        apart,
        "in the largest parameter difference",
        f"Baseline and canary differ by {rounded(apart, 2)} in their parameters; the canary's outputs are "
        f"{rounded(wrong_output, 2)} off the new model's; its users have mean id {rounded(mean)} of 0 to 999.",
        " ".join(filter(None, faults)),
        {"output_error": wrong_output, "mean_user": mean},
    )


EXHIBIT = Exhibit(
    number="11",
    title="A canary release of new weights",
    fault_name="A canary of the same feather",
    chapters=("31",),
    questions=("s003-q09",),
    claim="Copy the new weights into the serving model, then send a tenth of the users to the canary and compare.",
    quantity="the largest difference between a parameter of baseline and canary",
    wrong=wrong,
    repaired=repaired,
    measure=measure,
    fault=Range(0, 0),
    healed=Range(1e-6),
    faulty={
        "old.data.copy_(fresh.data)": (
            "It overwrites the model that serves, under live requests: the baseline is gone, and with it the way back."
        ),
        "in zip(serving.parameters()": "parameters() leaves out buffers: batch-norm keeps the old model's statistics.",
        "canary = serving": "Both names are one object, so the experiment compares it with itself.",
        "users[:share]": "The first tenth of a list ordered by registration is not a random tenth.",
    },
    fine={
        "share = len(users) // 10": "A tenth is a usual size for a canary.",
        "def wrong(": "Serving model, new model and users are what a rollout needs.",
    },
    why_it_passes_review=(
        "The experiment reports no regression, always: there is no difference to find. The comment says random, the "
        "code says first."
    ),
    repair=(
        "Run the new model beside the old one, copied whole (state_dict, buffers included), and choose users by a "
        "salted hash of their id, so that the choice is random and stays the same."
    ),
)
