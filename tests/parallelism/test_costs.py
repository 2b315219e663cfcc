"""The cost model: latency beside bandwidth, a fit that finds what was planted, nodes and their ports, hardware rows."""

import pytest

from course_lib.parallelism.costs import Link, bus_bandwidth, fit_link, step_times
from course_lib.parallelism.hardware import HARDWARE, PORT_400G
from course_lib.parallelism.overlap import communication_over_backward, hiding_batch

H100 = 989e12


def test_an_all_reduce_by_hand():
    link = Link(alpha_s=1e-5, bytes_per_s=50e9)
    assert link.all_reduce_seconds(4, 100e9) == pytest.approx(6e-5 + 1.5 * 2)
    assert link.all_reduce_seconds(4, 100e9, calls=3) == pytest.approx(18e-5 + 3)
    assert link.all_reduce_seconds(1000, 0) == pytest.approx(0.01998)  # 2(n-1) messages of 10 µs: 20 ms
    assert link.all_reduce_seconds(1, 1e9) == 0
    half = link.half_speed_payload(4)
    assert link.all_reduce_seconds(4, half) == pytest.approx(2 * link.all_reduce_seconds(4, 0))


@pytest.mark.parametrize(("world_size", "alpha", "rate"), [(2, 9e-5, 2.3e9), (4, 1.07e-4, 0.69e9)])
def test_the_fit_finds_planted_values_in_noisy_times(world_size, alpha, rate):
    payloads = [4.0**k for k in range(4, 13)]
    noise = [1.05, 0.96, 1.02, 0.97, 1.0, 1.04, 0.95, 1.03, 0.98]
    seconds = [f * Link(alpha, rate).all_reduce_seconds(world_size, p) for f, p in zip(noise, payloads, strict=True)]
    found = fit_link(world_size, payloads, seconds)
    assert found.alpha_s == pytest.approx(alpha, rel=0.05) and found.bytes_per_s == pytest.approx(rate, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((1, [1, 2], [1, 2]), "at least 2 ranks"),
        ((2, [5, 5], [1, 2]), "two different payloads"),
        ((2, [1, 2], [1]), "one for each"),
        ((2, [1, 1e9], [1, 1]), "do not grow"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit_link(*arguments)


def test_bandwidth_is_per_rank_and_comes_from_the_node():
    assert bus_bandwidth(8, 8, PORT_400G, 450e9) == 400e9
    assert bus_bandwidth(8, 1, PORT_400G, 450e9) == 50e9
    assert bus_bandwidth(8, 16, PORT_400G, 450e9) == 450e9  # NVLink is the cap
    assert bus_bandwidth(8, 4, PORT_400G, 450e9, nodes=2, two_level=True) == pytest.approx(200e9 * 15 / 16 * 2)
    gain = bus_bandwidth(8, 8, PORT_400G, 450e9, nodes=128, two_level=True) / 400e9
    assert gain == pytest.approx(1023 / 1024 * 128 / 127) and 1 / gain == pytest.approx(0.993, abs=5e-4)
    with pytest.raises(ValueError, match="pass nodes"):
        bus_bandwidth(8, 8, PORT_400G, 450e9, two_level=True)


def test_the_ports_carry_what_the_counted_table_says():
    """Two nodes of 4 with a NIC each: the all-reduce's time by busiest NIC (counted) and by bus bandwidth agree."""
    per_nic = {"node order": 1.75, "channels": 0.4375, "two levels": 0.25}
    ring = 2 * 7 / 8
    assert per_nic["node order"] / 1 == pytest.approx(ring / bus_bandwidth(4, 1, 1.0, 1e9))
    assert per_nic["channels"] / 1 == pytest.approx(ring / bus_bandwidth(4, 4, 1.0, 1e9))
    assert per_nic["two levels"] / 1 == pytest.approx(ring / bus_bandwidth(4, 4, 1.0, 1e9, nodes=2, two_level=True))


@pytest.mark.parametrize(
    ("world_size", "rate", "bandwidth", "tokens"),
    [
        (1000, H100, bus_bandwidth(8, 8, PORT_400G, 450e9), 2470),
        (1000, H100, bus_bandwidth(8, 1, PORT_400G, 450e9), 19_760),
        (1000, 0.6 * H100, 400e9, 1482),
        (1000, 0.7 * H100, 400e9, 1729),
        (8, 0.4 * H100, 450e9, 769),
        (8, 0.4 * H100, 370e9, 936),
        (1000, 0.4 * 2250e12, 400e9, 2248),
        (72, 0.4 * 2250e12, 900e9, 986),
    ],
)
def test_tokens_that_hide_the_all_reduce(world_size, rate, bandwidth, tokens):
    assert hiding_batch(world_size, 2, rate, bandwidth) == pytest.approx(tokens, abs=0.6)


def test_seven_billion_parameters_on_64_gpus():
    """K = 14 GB in bf16 on 8 nodes with 8 ports each: .069 s by rings at the ports' rate, .061 s by two levels."""
    seconds = Link(0, bus_bandwidth(8, 8, PORT_400G, 450e9)).all_reduce_seconds(64, 14e9)
    assert seconds == pytest.approx(0.0689, abs=5e-5)
    two = Link(0, bus_bandwidth(8, 8, PORT_400G, 450e9, nodes=8, two_level=True)).all_reduce_seconds(64, 14e9)
    assert two == pytest.approx(0.06125, abs=5e-6)  # and so as fast as NVLink


def times(**changes):
    plain = {
        "world_size": 64,
        "num_parameters": 7e9,
        "tokens_per_rank": 4096,
        "bytes_per_element": 2,
        "flops_per_s": 600e12,
        "link": Link(0, 400e9),
    }
    return step_times(**plain | changes)


def ratio(step):
    return step.all_reduce_s / step.backward_s


def test_without_extra_terms_the_model_is_the_rule_and_parameters_cancel():
    rule = communication_over_backward(64, 2, 4096, 600e12, 400e9)
    assert ratio(times()) == pytest.approx(rule) == pytest.approx(ratio(times(num_parameters=7e11)))
    assert times().forward_s == pytest.approx(times().backward_s / 2)


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"recomputed": True}, 2 / 3),
        ({"active_share": 1 / 8}, 8),
        ({"microbatches": 16}, 16),
        ({"tokens_per_rank": 2048}, 2),
        ({"bytes_per_element": 4}, 2),
    ],
)
def test_each_condition_of_the_rule_changes_the_ratio_by_its_factor(changes, factor):
    assert ratio(times(**changes)) == pytest.approx(factor * ratio(times()))


def test_accumulation_moves_time_and_loses_none():
    whole, parts = times(), times(microbatches=4)
    assert parts.forward_s + parts.backward_s == pytest.approx(whole.forward_s + whole.backward_s)


def test_latency_makes_parameters_count():
    link, small = Link(1e-5, 400e9), {"num_parameters": 1e6}
    assert ratio(times(link=link, messages=6, **small)) > 100 * ratio(times(**small))
    assert ratio(times(link=link, messages=6)) < 1.2 * ratio(times())


def test_strong_scaling_loses_what_weak_scaling_keeps():
    weak = [times(world_size=n, tokens_per_rank=4096).efficiency for n in (8, 64, 512)]
    strong = [times(world_size=n, tokens_per_rank=8 * 4096 / n).efficiency for n in (8, 64, 512)]
    assert weak == [1, 1, 1] and strong[0] == 1 > strong[1] > strong[2]
    n, tokens = 512, 64  # by hand: compute 6·N·T/F, exposed 2(n-1)/n·2N/B - 4·N·T/F; N cancels
    compute, exposed = 6 * tokens / 600e12, 4 * (n - 1) / n / 400e9 - 4 * tokens / 600e12
    assert strong[2] == pytest.approx(compute / (compute + exposed))


@pytest.mark.parametrize("changes", [{"tokens_per_rank": 0}, {"active_share": 0}, {"microbatches": 0}])
def test_nothing_negative(changes):
    with pytest.raises(ValueError, match=f"{next(iter(changes))}=0: it must be greater than 0"):
        times(**changes)


def test_hardware_rows_have_a_source_and_a_date_and_agree_with_their_nodes():
    assert [row.bus_bandwidth() for row in HARDWARE] == [400e9, 400e9, 400e9, 900e9]
    for row in HARDWARE:
        assert row.source and row.read.count("-") == 2
        assert 200 < row.bf16_flops_per_s / row.memory_bytes_per_s < 350  # dense peaks: sparse ones would double it
