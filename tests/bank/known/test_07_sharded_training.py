"""Chapter 07, sharded training: its known answers (K2, K3) recomputed."""

import pytest
import torch

from course_lib.practice import known
from tests.bank.known.shared import adam_states, passes_of_a_ring


@pytest.mark.parametrize("n", [2, 4, 8])
def test_zero_traffic(n):
    elements = 16 * n
    half = passes_of_a_ring(n, elements)[0]
    known("zero_12_traffic", n=n).check(2 * half / elements)
    known("zero_3_traffic", n=n).check(3 * half / elements)


@pytest.mark.parametrize("n", [1, 4, 64])
def test_zero_bytes(n):
    parameters = 64 * 10
    tensors = adam_states(parameters, gradient=torch.bfloat16)
    sharded = {1: {"master", "first moment", "second moment"}}
    sharded[2] = sharded[1] | {"gradients"}
    sharded[3] = sharded[2] | {"weights"}
    for stage, names in sharded.items():
        held = sum((t.chunk(n)[0] if name in names else t).nbytes for name, t in tensors.items())
        known(f"zero_{stage}_bytes", parameters=parameters, n=n).check(held)
    plain = [torch.ones(parameters)] * 2 + [torch.ones(parameters).chunk(n)[0].clone()] * 2
    known("zero_1_bytes_fp32", parameters=parameters, n=n).check(sum(t.numel() * t.element_size() for t in plain))
