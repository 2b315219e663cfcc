"""What travels keeps its values, its sharing and its source; what is too large is stopped in the stream."""

import resource

import cloudpickle
import pytest
import torch

from course_lib.lab.gang import payload


def round_trip(obj, tmp_path):
    payload.dump(obj, tmp_path / "x.pkl")
    return payload.load(tmp_path / "x.pkl")


def test_tensors_keep_dtype_shape_strides_and_gradient_flags(tmp_path):
    tensors = {
        "bf16": torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).t(),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(3, dtype=torch.int64),
        "bool": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j]),
        "uint16": torch.tensor([1, 2], dtype=torch.uint16),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "sparse": torch.eye(3).to_sparse(),
    }
    again = round_trip(tensors, tmp_path)
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype and again[name].shape == tensor.shape
        assert torch.equal(again[name].to_dense(), tensor.to_dense())
        assert again[name].requires_grad == tensor.requires_grad
    assert again["bf16"].stride() == tensors["bf16"].stride()
    assert isinstance(again["parameter"], torch.nn.Parameter)


def test_one_storage_travels_once(tmp_path):
    base = torch.zeros(100_000)
    size = payload.dump([base, base[:10], base.view(torch.int32), base.detach()], tmp_path / "x.pkl")
    assert size < 410_000
    again, view, *_ = payload.load(tmp_path / "x.pkl")
    view.fill_(5)
    assert again[9] == 5 and again[10] == 0


def test_optimizers_and_classes_of_a_notebook_travel(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    model2, optimizer2 = round_trip((model, optimizer), tmp_path)
    assert optimizer2.param_groups[0]["params"][0] is model2.weight
    local = type("Local", (), {"value": 3})
    assert round_trip(local(), tmp_path).value == 3


@pytest.mark.parametrize(
    "make", [lambda n: torch.empty(n, dtype=torch.uint8), lambda n: bytes(n), lambda n: bytearray(n)]
)
def test_the_stream_stops_at_the_limit_without_a_copy(tmp_path, make):
    big = make(256 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(payload.PayloadTooBig):
        payload.dump({"a": 1, "big": big}, tmp_path / "x.pkl", limit=1 << 20)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10  # KiB
    assert (tmp_path / "x.pkl").stat().st_size <= 1 << 20


def test_at_the_limit_is_not_past_it(tmp_path):
    size = payload.dump("x" * 1000, tmp_path / "x.pkl")
    assert payload.dump("x" * 1000, tmp_path / "x.pkl", limit=size) == size
    with pytest.raises(payload.PayloadTooBig):
        payload.dump("x" * 1000, tmp_path / "x.pkl", limit=size - 1)


def test_what_was_written_loads_without_this_package_s_kernel_side(tmp_path):
    payload.dump(lambda: 7, tmp_path / "x.pkl")
    assert cloudpickle.loads((tmp_path / "x.pkl").read_bytes())() == 7


def test_names_in_sentences_are_of_the_reader_s_variables():
    inner, outer = torch.zeros(10), torch.zeros(1000)

    def work(rank):
        def nested():
            return inner

        return nested() + outer.sum()

    sentence = payload.say_too_big(work, (1,), {"steps": 2}, limit=2000)
    assert (
        sentence.startswith("work" if work.__qualname__ == "work" else "test_names") and "variable 'outer'" in sentence
    )
