"""One definition of attention's FLOPs, whichever kernel runs: values of the design, counted on real steps."""

import subprocess
import sys

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from course_lib.lab import count_flops
from course_lib.models.gpt import GPT, GPTConfig

aten = torch.ops.aten


def test_flops_of_a_matmul():
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert count_flops(torch.matmul, a, b) == 2 * 3 * 5 * 7


def test_flops_of_a_linear_layer_with_backward():
    layer, x = torch.nn.Linear(16, 32), torch.ones(8, 16, requires_grad=True)
    forward = 2 * 8 * 16 * 32
    assert count_flops(layer, x) == forward
    assert count_flops(lambda: layer(x).sum().backward()) == 3 * forward
    # Without a gradient for the input one of the two backward products is not computed.
    assert count_flops(lambda: layer(x.detach()).sum().backward()) == 2 * forward


@pytest.mark.parametrize("causal", [False, True])
def test_flops_of_attention(causal):
    batch, heads, tokens, width = 2, 3, 16, 8
    q, k, v = (torch.randn(batch, heads, tokens, width, requires_grad=True) for _ in range(3))
    forward = 2 * (2 * batch * heads * tokens * tokens * width)
    attention = lambda: scaled_dot_product_attention(q, k, v, is_causal=causal)  # noqa: E731
    assert count_flops(attention) == forward
    assert count_flops(lambda: attention().sum().backward()) == 3 * forward


def gpt_step(layers, width, tokens):
    """A training step of the course's GPT on its 103 characters, and the tokens in it."""
    model = GPT(GPTConfig(103, block_size=tokens, num_layers=layers, d_model=width))
    x, y = torch.zeros(2, 2, tokens, dtype=torch.int64)
    return lambda: model.loss(x, y).backward(), x.numel()


@pytest.mark.parametrize(
    ("layers", "width", "tokens", "model", "hardware"),
    [(2, 64, 64, 727_680, 744_064), (2, 64, 256, 1_022_592, 1_088_128), (4, 128, 128, 5_584_128, 5_715_200)],
)
def test_a_training_step_of_the_gpt_per_token(layers, width, tokens, model, hardware):
    step, count = gpt_step(layers, width, tokens)
    assert count_flops(step) == model * count
    assert count_flops(step, recompute=True) == hardware * count
    by_formula = 6 * (12 * layers * width**2 + 103 * width) + 12 * layers * tokens * width
    assert by_formula == model


@pytest.mark.parametrize("recompute", [False, True])
def test_plain_products_count_as_the_fused_kernel_does_without_recomputation(recompute):
    step, count = gpt_step(2, 64, 64)
    with sdpa_kernel(SDPBackend.MATH):
        assert count_flops(step, recompute=recompute) == 727_680 * count


def shapes(queries=(2, 4, 16, 8), keys=(2, 2, 32, 8), values=(2, 2, 32, 24)):
    return [torch.empty(shape, device="meta") for shape in (queries, keys, values)]


def product(m, n, k):
    return 2 * m * n * k


SCORES = 2 * 4 * product(16, 32, 8)  # batch · heads · (queries, keys), grouped queries and wider values on purpose
MIX = 2 * 4 * product(16, 32, 24)
GPU_KERNELS = ("flash_attention", "efficient_attention", "cudnn_attention", "fused_attention_overrideable")


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kernel", [*GPU_KERNELS, "flash_attention_for_cpu"])
def test_every_fused_kernel_counts_by_the_same_formula(kernel, recompute):
    """The formula of each operator on tensors without data: no GPU is needed to ask what would be counted on one."""
    from course_lib.lab.flops import _attention_formulas

    formulas = _attention_formulas(recompute)
    op = f"_scaled_dot_product_{kernel}"
    q, k, v = shapes()
    grad, rest = torch.empty(2, 4, 16, 24, device="meta"), (None,) * 4
    assert formulas[getattr(aten, op)](q, k, v, *rest, out_val=None) == SCORES + MIX
    backward = 2 * (SCORES + MIX) + recompute * SCORES
    assert formulas[getattr(aten, op + "_backward")](grad, q, k, v, *rest, out_val=None) == backward


def ragged():
    """Queries, keys and values of two sequences of 3 and 5 tokens packed into one of 8, with the sequences' starts."""
    starts = torch.tensor([0, 3, 8])
    return [torch.empty(8, 2, 4) for _ in range(3)], (starts, starts, 5, 5)


@pytest.mark.parametrize("kernel", ["_flash_attention", "_efficient_attention", "varlen"])
@pytest.mark.parametrize("recompute", [False, True])
def test_packed_sequences_count_the_pairs_inside_each(kernel, recompute):
    import torch.nn.attention.varlen
    from torch.utils.flop_counter import flop_registry

    from course_lib.lab.flops import _attention_formulas

    formulas = {**flop_registry, **_attention_formulas(recompute)}
    (q, k, v), lengths = ragged()
    if kernel == "_efficient_attention":
        q, k, v = (x[None] for x in (q, k, v))
        given = (q, q, k, v, None, q, *lengths)
    else:
        given = (q, q, k, v, q, None, *lengths)
    packed = torch.ops.torch_attn._varlen_attn_backward
    op = packed if kernel == "varlen" else getattr(aten, kernel + "_backward")
    one_product = 2 * product(1, 3 * 3 + 5 * 5, 4)
    assert formulas[op](*given, out_val=None) == (5 if recompute else 4) * one_product


def test_flex_attention_backward_is_twice_its_forward():
    from torch._higher_order_ops.flex_attention import flex_attention_backward
    from torch.utils.flop_counter import flop_registry

    from course_lib.lab.flops import _attention_formulas

    q, k, v = shapes()
    grad = torch.empty(2, 4, 16, 24, device="meta")
    given = (q, k, v, grad, None, grad)
    assert _attention_formulas(False)[flex_attention_backward](*given, out_val=None) == 2 * (SCORES + MIX)
    assert flop_registry[flex_attention_backward](*given) == 2 * (SCORES + MIX) + SCORES


def test_no_attention_kernel_of_torch_is_left_out():
    """A torch that brings a fused attention operator of another name must be looked at again."""
    from torch.utils.flop_counter import flop_registry

    from course_lib.lab.flops import _attention_formulas

    known = {str(op) for op in {**flop_registry, **_attention_formulas(False)}}
    in_registry = {str(op) for op in flop_registry if "attention" in str(op) and "backward" in str(op)}
    assert in_registry <= {str(op) for op in _attention_formulas(False)}
    backward = {name for name in dir(aten) if "attention" in name and name.endswith("backward")}
    assert {f"aten.{name}" for name in backward} <= known


def test_recomputation_by_checkpoint_runs_and_is_counted():
    q, k, v = (torch.randn(1, 2, 8, 4, requires_grad=True) for _ in range(3))

    def step(again):
        mixed = (
            checkpoint(scaled_dot_product_attention, q, k, v, use_reentrant=False)
            if again
            else scaled_dot_product_attention(q, k, v)
        )
        mixed.sum().backward()

    one_product = 2 * product(8, 8, 4)
    for recompute in (False, True):
        assert count_flops(step, False, recompute=recompute) == (6 + recompute) * one_product
        assert count_flops(step, True, recompute=recompute) == (8 + recompute) * one_product


def test_counting_does_not_load_what_it_does_not_need():
    script = "from course_lib import lab; lab.count_flops; import sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
