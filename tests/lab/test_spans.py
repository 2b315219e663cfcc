"""Spans, the time line's arithmetic and its picture."""

import itertools
import pickle
import threading
import time

import pytest

from course_lib import lab
from course_lib.lab.spans import Recorder, Span, Timeline, recording

TIMELINE = Timeline(
    [
        Span(0, "backward", 1.0, 5.0),
        Span(0, "all_reduce", 2.0, 3.0, {"bucket": 1}),
        Span(0, "all_reduce", 2.5, 6.0),
        Span(1, "backward", 0.5, 1.5),
        Span(0, "forward", 0.0, 1.0),
    ]
)


def test_a_timeline_orders_selects_and_sums():
    assert [span.name for span in TIMELINE.spans][:2] == ["forward", "backward"]
    assert TIMELINE.starts("all_reduce", 0) == [2.0, 2.5]
    assert TIMELINE.seconds("backward") == 5.0
    assert TIMELINE.seconds("backward", 1) == 1.0
    assert len(TIMELINE.select("all_reduce", 1)) == 0
    assert TIMELINE.select("all_reduce").spans[0].labels == {"bucket": 1}


def test_overlap_counts_a_moment_once_however_many_spans_are_open():
    assert TIMELINE.overlap("backward", "all_reduce", rank=0) == pytest.approx(3.0)  # 2.0 to 5.0
    assert TIMELINE.overlap("all_reduce", "backward", rank=0) == pytest.approx(3.0)
    assert TIMELINE.overlap("forward", "backward", rank=0) == 0.0
    assert TIMELINE.overlap("backward", "all_reduce", rank=1) == 0.0


def test_spans_are_collected_in_process_with_labels_and_nesting():
    with lab.collect_spans() as timeline, lab.span("outer", step=3):
        inner = lab.start_span("inner")
        time.sleep(0.01)
        inner.stop()
        inner.stop()
    assert [(s.name, s.labels, s.rank) for s in timeline.spans] == [("outer", {"step": 3}, 0), ("inner", {}, 0)]
    outer, inner = timeline.spans
    assert 0 <= outer.start_s <= inner.start_s and inner.end_s <= outer.end_s
    assert inner.seconds >= 0.01


def test_a_span_that_raises_is_recorded_and_one_outside_is_not():
    with lab.span("lost"):
        pass
    with lab.collect_spans() as timeline, pytest.raises(KeyError), lab.span("broken"):
        raise KeyError
    assert [span.name for span in timeline.spans] == ["broken"]


def test_asynchronous_spans_may_end_in_another_thread():
    with lab.collect_spans() as timeline:
        open_span = lab.start_span("all_reduce", bucket=0)
        thread = threading.Thread(target=open_span.stop)
        thread.start()
        thread.join()
    assert len(timeline) == 1


def test_a_recorder_counts_progress_and_says_where_it_is():
    recorder = Recorder(rank=2, origin=time.perf_counter())
    with recording(recorder):
        assert recorder.where() is None
        with lab.span("forward"):
            assert recorder.where() == 'in span "forward"'
        assert recorder.where() == 'after span "forward"'
        lab.report(1, 3)
    lab.report(2, 3)
    assert recorder.events == 3
    assert recorder.spans[0].rank == 2


def test_a_timeline_travels_and_reads_well():
    again = pickle.loads(pickle.dumps(TIMELINE))
    assert again.spans == TIMELINE.spans
    assert repr(again) == "Timeline of 5 spans on 2 ranks: forward, backward, all_reduce"


def test_the_picture_has_a_lane_per_rank_and_name_and_a_caption():
    picture = TIMELINE.picture()
    (ax,) = picture.fig.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == [
        "rank 0  forward",
        "rank 0  backward",
        "rank 0  all_reduce",
        "rank 1  backward",
    ]
    bars = [box for collection in ax.collections for box in collection.get_paths()]
    assert len(bars) == 5
    widths = sorted(round(path.get_extents().width) for path in bars)
    assert widths == [1000, 1000, 1000, 3500, 4000]  # milliseconds
    assert "2 ranks" in picture.caption and picture.measured
    assert TIMELINE.picture("In words.").caption == "In words."


def test_an_empty_timeline_says_what_to_do():
    with pytest.raises(ValueError, match=r"lab\.span"):
        Timeline([]).picture()


def test_spans_that_are_open_at_once_stand_in_rows_of_their_own():
    open_at_once = [Span(0, "all_reduce", 0.0, 0.2), Span(0, "all_reduce", 0.1, 0.3), Span(0, "all_reduce", 0.25, 0.4)]
    (ax,) = Timeline(open_at_once).picture().fig.axes
    boxes = [path.get_extents() for collection in ax.collections for path in collection.get_paths()]
    assert len(boxes) == 3
    for one, other in itertools.combinations(boxes, 2):
        at_once = one.x0 < other.x1 and other.x0 < one.x1
        assert not at_once or one.y1 <= other.y0 + 1e-9 or other.y1 <= one.y0 + 1e-9
