"""The overlap rule (K20): parameters cancel, and the two ways to write it agree."""

import pytest

from course_lib.lab import Gang
from course_lib.models.train_gpt import small_gpt
from course_lib.parallelism.overlap import (
    all_reduce_seconds,
    backward_seconds,
    communication_over_backward,
    hiding_batch,
)


@pytest.mark.parametrize("num_parameters", [1e6, 7e10])
def test_rule_is_the_quotient_of_two_times(num_parameters):
    world_size, width, tokens, peak, bandwidth = 4, 2, 4096, 400e12, 50e9
    communication = 2 * (world_size - 1) / world_size * width * num_parameters / bandwidth
    backward = 4 * num_parameters * tokens / peak
    assert communication_over_backward(world_size, width, tokens, peak, bandwidth) == pytest.approx(
        communication / backward
    )


def test_hiding_batch_makes_the_ratio_one():
    tokens = hiding_batch(8, 4, 50e9, 1e9)
    assert communication_over_backward(8, 4, tokens, 50e9, 1e9) == pytest.approx(1.0)


def test_a_zero_bandwidth_is_refused():
    with pytest.raises(ValueError, match="must be positive"):
        communication_over_backward(4, 4, 100, 1e9, 0)


def test_what_is_timed_is_the_backward_pass_without_the_forward_pass():
    model = small_gpt()
    layers = [module for module in model.modules() if hasattr(module, "weight") and module.weight.ndim == 2]
    products = sum(layer.weight.numel() for layer in layers if not hasattr(layer, "num_embeddings"))
    seconds, flops = backward_seconds(0, model, 128, repeats=2)
    assert flops == 128 * (4 * products + 8 * 2 * 64 * 64)  # attention: 8·L·T·d of 12 per token
    assert seconds > 0


def test_an_all_reduce_lasts_as_long_as_on_its_slowest_rank():
    first, second = Gang(2).run(all_reduce_seconds, 1000, repeats=3)
    assert first == second > 0
