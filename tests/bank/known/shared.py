"""What the tests of several chapters count with."""

import numpy as np
import torch


def error(measured: np.ndarray, exact: np.ndarray) -> float:
    """Relative error in the squared norm's root."""
    return float(np.linalg.norm(measured - exact) / np.linalg.norm(exact))


def passes_of_a_ring(n: int, elements: int) -> list[int]:
    """Elements each rank sends when n equal chunks go once round a ring (reduce-scatter or all-gather)."""
    chunks = [elements // n] * n
    return [sum(chunks[(rank - step) % n] for step in range(n - 1)) for rank in range(n)]


def largest_z(looks: int, runs: int, absolute: bool) -> np.ndarray:
    """The largest z of each of `runs` experiments without an effect, looked at `looks` times at equal distances."""
    sums = np.random.default_rng(0).standard_normal((runs, looks)).cumsum(1)
    z = sums / np.sqrt(np.arange(1, looks + 1))
    return (np.abs(z) if absolute else z).max(1)


def adam_states(parameters: int, *, gradient: torch.dtype, accumulate: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of mixed-precision Adam after one step, by name; bf16 weights, fp32 master copy and moments."""
    weights = torch.ones(parameters, dtype=torch.bfloat16)
    master = weights.float().requires_grad_()
    master.grad = torch.ones(parameters)
    optimizer = torch.optim.Adam([master])
    optimizer.step()
    state = optimizer.state[master]
    tensors = {
        "weights": weights,
        "gradients": torch.ones(parameters, dtype=gradient),
        "master": master.detach(),
        "first moment": state["exp_avg"],
        "second moment": state["exp_avg_sq"],
    }
    return tensors | ({"accumulated": torch.zeros(parameters)} if accumulate else {})


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v
