"""A repair is judged by its measurement: half repairs, crashes and endless loops get a sentence."""

import pytest
import torch
from torch.nn import functional as F

from course_lib.museum import check_repair, exhibit, find
from course_lib.museum.exhibit import Range


@pytest.mark.parametrize("number", ["1", "16", "20", "E4"])  # with ranks; and in a process of its own
def test_the_museums_own_programs_as_a_readers(number):
    shown = find(number)
    assert check_repair(number, shown.repaired).status == "passed"
    rejected = check_repair(number, shown.wrong)
    assert rejected.status == "failed"
    assert "still there" in repr(rejected)


def sum_without_mean(model, optimizer, batches):
    for x, y in batches:
        optimizer.zero_grad()
        F.mse_loss(model(x), y).backward()
        for parameter in model.parameters():
            torch.distributed.all_reduce(parameter.grad)
        optimizer.step()


def sampler_without_epoch(dataset, epochs, train_step):
    sampler = torch.utils.data.DistributedSampler(dataset)
    for epoch in range(epochs):
        for batch in torch.utils.data.DataLoader(dataset, batch_size=8, sampler=sampler):
            train_step(epoch, batch)


def one_step_but_summed_loss(model, optimizer, loss_fn, batches):
    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    total = loss.detach()
    torch.distributed.all_reduce(total)
    return total.item()


def thaw_everything(model):
    model.requires_grad_(True)


def autocast_without_step(model, optimizer, x, y):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(x)


def store_nothing(model, key, folder):
    return model.state_dict()


def no_clipping(values, epsilon, generator):
    noise = torch.empty(2).exponential_(generator=generator)
    return values.mean() + (noise[0] - noise[1]) / len(values) / epsilon


def a_thousandth_of_the_noise(values, epsilon, generator):
    noise = torch.empty(2).exponential_(generator=generator)
    return values.clamp(0, 1).mean() + (noise[0] - noise[1]) / len(values) / epsilon / 1000


def keep_localhost(join, environment):
    rank, world_size = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    join(host="localhost", port=int(environment["MASTER_PORT"]), rank=rank, world_size=world_size)


def zero_weights(model):
    for layer in list(model):
        layer.__class__ = type("Other", (type(layer),), {})
        for parameter in layer.parameters():
            parameter.data.zero_()
    return model


def train_nothing(backbone, head, batches):
    backbone.eval()


def backward_with_mean(teacher, student, optimizer, x):
    with torch.no_grad():
        target = teacher(x).softmax(-1)
    loss = torch.nn.KLDivLoss()(student(x).log_softmax(-1), target)
    loss.backward()
    optimizer.step()
    return loss.item()


def first_users(serving, new, users):
    return serving, new, users[:100]


def keep_outliers(rows):
    return rows[100:] if len(rows) < 0 else rows[:-100]


def eval_one_by_one(model, samples):
    model.eval()
    with torch.no_grad():
        return torch.cat([model(sample[None]) for sample in samples])


def last_fold_only(x, y):
    return find("15").repaired(x, y)[:1]


def by_content_without_copy(model):
    kept = {}

    def predict(x):
        key = tuple(x.tolist())
        if key not in kept:
            kept[key] = model(x)
        return kept[key]

    return predict


async def batch_in_the_loop(serve, requests):
    return serve(requests)


def keep_the_old_rate(model, optimizer, lr):
    for group in optimizer.param_groups:
        group["lr"] = 10 * lr
    return optimizer


def whole_grants_never_released(capacity, cycles):
    granted = []
    for jobs in cycles:
        granted.append([])
        for wanted in jobs:
            grant = wanted if wanted <= capacity else 0
            capacity -= grant
            granted[-1].append(grant)
    return granted


def grant_nobody(capacity, cycles):
    return [[0] * len(jobs) for jobs in cycles]


def only_the_first(first, second, third):
    return first.softmax(-1)


def right_for_one_peak(tokens_per_s, num_parameters, peak_flops_per_s):
    return 6 * num_parameters * tokens_per_s / 312e12


def stop_gradients(blocks, x):
    with torch.no_grad():
        for block in blocks:
            x = block(x)
    return x.requires_grad_()


HALF = [
    ("1", sum_without_mean, "differ"),
    ("2", sampler_without_epoch, "same order"),
    ("3", thaw_everything, "not frozen"),
    ("4", autocast_without_step, "No weight moved"),
    ("5", one_step_but_summed_loss, "grows with the cluster"),
    ("6", store_nothing, "Nothing was stored"),
    ("7", no_clipping, "not clipped"),
    ("7", a_thousandth_of_the_noise, "0.00014; Laplace noise"),
    ("8", zero_weights, "outputs changed"),
    ("9", train_nothing, "did not learn"),
    ("10", backward_with_mean, "too small"),
    ("11", first_users, "not a random tenth"),
    ("13", keep_outliers, "far out are kept"),
    ("14", eval_one_by_one, "not in parallel"),
    ("15", last_fold_only, "1 scores for 5 folds"),
    ("16", by_content_without_copy, "writes into its answer"),
    ("19", keep_localhost, "nobody listens there"),
    ("20", batch_in_the_loop, "event loop was blocked"),
    ("21", keep_the_old_rate, "learning rate is"),
    ("22", whole_grants_never_released, "first that cannot run"),
    ("22", grant_nobody, "No job of the two runs"),
    ("25", only_the_first, "not averaged"),
    ("E4", right_for_one_peak, "three times the peak"),
    ("E6", stop_gradients, ""),
]


@pytest.mark.parametrize(("number", "half", "said"), HALF, ids=lambda value: getattr(value, "__name__", str(value)))
def test_half_repairs_are_rejected(number, half, said):
    shown = find(number)
    try:
        finding = shown.run(half)
    except RuntimeError:
        assert not said
        return
    assert shown.verdict(finding) != "repaired"
    assert said in f"{finding.sentence} {finding.still_wrong}", finding


def test_a_half_repair_is_told_what_is_missing():
    panel = check_repair(22, whole_grants_never_released)
    assert [row.status for row in panel.rows] == ["failed"]
    assert "cycle 7 is the first that cannot run" in repr(panel)


def test_a_number_out_of_range_is_told_with_the_range():
    panel = check_repair("E7", lambda burn_rate, days=30: 49.0)
    assert "49 hours" in repr(panel)
    assert "must be exactly 50" in repr(panel)
    assert "still there" not in repr(panel)


def raising(burn_rate, days=30):
    raise ZeroDivisionError("none of it")


def leaving(burn_rate, days=30):
    raise SystemExit(3)


def endless(burn_rate, days=30):
    while True:
        pass


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (raising, "ZeroDivisionError: none of it"),
        (leaving, "exit"),
        (lambda: 50, "TypeError"),
        (lambda burn_rate, days=30: None, "could not be measured"),
        (50, "This is a int, not a function"),
    ],
)
def test_bad_input_gets_a_sentence_and_the_signature(answer, said):
    panel = check_repair("E7", answer)
    assert panel.status == "failed"
    assert said in repr(panel)
    assert "wrong(burn_rate: float, days: float = 30) -> float" in repr(panel)


def test_an_endless_loop_ends(monkeypatch):
    monkeypatch.setattr(exhibit, "LIMIT_S", 3.0)
    panel = check_repair("E7", endless)
    assert panel.status == "failed"
    assert "It did not end in time and was stopped." in repr(panel)


def test_ranges_say_what_they_hold():
    assert [str(each) for each in (Range(4, 4), Range(1), Range(high=2), Range(0.5, 1.5))] == [
        "exactly 4",
        "at least 1",
        "at most 2",
        "0.5 to 1.5",
    ]
    assert 1 in Range(1, 2) and 2 in Range(1, 2) and 2.1 not in Range(1, 2) and float("nan") not in Range()
