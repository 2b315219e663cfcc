"""Four ways to all-reduce on nodes: the library's sum, and the bytes over each border to the last one."""

import pytest
import torch
import torch.distributed as dist

from course_lib import lab
from course_lib.parallelism.hierarchical import Borders, borders, channel_orders, interleaved_order, ways

NUMEL = 640  # divides by 8 ranks, and by 8 again in each of 4 channels


@pytest.fixture(scope="module")
def eight():
    return lab.Gang(8, timeout=60)


def four_ways(rank, per_node, numel):
    counted = {}
    for name, all_reduce in ways(per_node).items():
        tensor = torch.arange(numel, dtype=torch.float32) % 97 + 100 * rank
        expected = tensor.clone()
        dist.all_reduce(expected)
        with lab.count_sends() as sent:
            all_reduce(tensor)
        assert torch.equal(tensor, expected), name
        counted[name] = (sent.by_peer, sent.messages, dict(sent.collectives))
    return counted


@pytest.mark.parametrize(
    ("per_node", "table"),
    [
        (
            4,
            {
                "node order": (Borders(1.75, 1.75, 1.75), 14),
                "interleaved": (Borders(1.75, 7.0, 1.75), 14),
                "channels": (Borders(1.75, 1.75, 0.4375), 4 * 14),
                "two levels": (Borders(1.75, 1.0, 0.25), 8),
            },
        ),
        (
            2,
            {
                "node order": (Borders(1.75, 1.75, 1.75), 14),
                "interleaved": (Borders(1.75, 3.5, 1.75), 14),
                "channels": (Borders(1.75, 1.75, 0.875), 2 * 14),
                "two levels": (Borders(1.75, 1.5, 0.75), 8),
            },
        ),
    ],
)
def test_what_crosses_each_border(eight, per_node, table):
    ranks = eight.run(four_ways, per_node, NUMEL)
    for name, (expected, messages) in table.items():
        sent = [counted[name][0] for counted in ranks]
        assert borders(sent, 4 * NUMEL, per_node) == expected, name
        assert {counted[name][1] for counted in ranks} == {messages}, name
        assert all(counted[name][2] == {} for counted in ranks)
    one_nic = borders([counted["two levels"][0] for counted in ranks], 4 * NUMEL, per_node, nics_per_node=1)
    assert one_nic.per_nic == table["two levels"][0].per_node


def test_sums_hold_for_lengths_that_nothing_divides():
    assert len(lab.Gang(4, timeout=60).run(four_ways, 2, 13)) == 4


def test_orders():
    assert interleaved_order(8, 4) == [0, 4, 1, 5, 2, 6, 3, 7]
    assert channel_orders(4, 2) == [[1, 0, 3, 2], [0, 1, 2, 3]]
    for channel, order in enumerate(channel_orders(8, 4)):
        assert [order[3], order[7]] == [channel, channel + 4]  # the ranks before a border


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: interleaved_order(8, 3), "8 ranks do not fill nodes of 3"),
        (lambda: borders([{}] * 4, 1, 2, nics_per_node=3), "3 NICs do not share out evenly over 2"),
    ],
)
def test_what_does_not_divide_is_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
