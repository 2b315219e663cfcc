"""The ring's schedule, its bytes (K19) and the picture of a step."""

from collections import Counter

import pytest
import torch

from course_lib.parallelism.ring import (
    bytes_by_link,
    bytes_sent,
    chunk_sizes,
    contributions,
    ring_schedule,
    ring_step_picture,
)

WORLD_SIZES = range(1, 9)


@pytest.mark.parametrize("world_size", WORLD_SIZES)
@pytest.mark.parametrize("numel", [0, 1, 5, 64, 1001])
def test_chunks_are_those_that_torch_cuts(world_size, numel):
    assert chunk_sizes(numel, world_size) == [len(c) for c in torch.empty(numel).tensor_split(world_size)]


@pytest.mark.parametrize("world_size", WORLD_SIZES)
def test_schedule_sums_every_chunk_on_every_rank(world_size):
    steps = 2 * (world_size - 1)
    assert len(ring_schedule(world_size)) == steps * world_size
    assert contributions(world_size, steps) == [[world_size] * world_size] * world_size


def test_reduce_scatter_leaves_each_rank_with_the_chunk_of_its_own_number_complete():
    table = contributions(4, 3)
    assert [[c for c in range(4) if table[r][c] == 4] for r in range(4)] == [[0], [1], [2], [3]]


@pytest.mark.parametrize("world_size", WORLD_SIZES)
@pytest.mark.parametrize("numel", [3, 64, 1001])
def test_bytes_per_rank_are_those_of_the_schedule(world_size, numel):
    sizes, sent = chunk_sizes(numel, world_size), Counter()
    for transfer in ring_schedule(world_size):
        sent[transfer.source] += 4 * sizes[transfer.chunk]
    assert [bytes_sent(numel, 4, world_size, rank) for rank in range(world_size)] == [
        sent[r] for r in range(world_size)
    ]
    assert sum(sent.values()) == 2 * (world_size - 1) * 4 * numel


def test_even_split_is_the_textbook_factor():
    assert bytes_sent(64, 4, 4, 0) == 64 * 4 * 1.5


def test_links_fill_up_step_by_step():
    assert bytes_by_link(64, 4, 4, 0) == {}
    assert set(bytes_by_link(64, 4, 4, 1).values()) == {64}
    assert set(bytes_by_link(64, 4, 4, 6).values()) == {384}


def test_picture_says_in_words_what_it_shows():
    caption = ring_step_picture(4, 3, 16).caption
    assert "after step 3 of 6" in caption and "receivers add" in caption and "12.0 MB of the 24.0 MB" in caption


@pytest.mark.parametrize(("world_size", "step", "sentence"), [(1, 0, "at least 2 ranks"), (4, 7, "steps 0 to 6")])
def test_impossible_step_gets_one_sentence(world_size, step, sentence):
    with pytest.raises(ValueError, match=sentence):
        ring_step_picture(world_size, step)
