"""Each of the 96 known answers is in the bank, or left out with a reason, and what can be computed is recomputed."""

import re
from pathlib import Path

import pytest

from course_lib.practice import known
from course_lib.practice.knowledge.known import keys, left_out, load, parse

TESTS = Path(__file__).resolve().parent.parent
SOURCES = "\n".join(
    path.read_text()
    for path in [*(TESTS / "bank" / "known").glob("test_*.py"), TESTS / "practice" / "knowledge" / "test_known.py"]
)
# known("key" …), known(f"prefix_{…}" …), and keys of dictionaries and parameters that are looked up.
NAMED = [re.escape(name).replace(r"\{", "{") for name in re.findall(r'f?"(\w[\w{}]*)"', SOURCES)]
PATTERNS = {re.sub(r"\{[^{}]*\\?\}?", r"\\w+", name) for name in NAMED if "_" in name or "{" not in name}


def test_all_ninety_six_are_accounted_for():
    assert {row["k"] for row in load().values()} | {entry["k"] for entry in left_out()} == set(range(1, 97))


def test_what_is_left_out_says_why():
    for entry in left_out():
        assert entry.keys() == {"k", "what", "reason", "chapter"}
        assert len(entry["reason"]) > 10 and len(entry["what"]) > 3


@pytest.mark.parametrize("key", [key for key in keys() if load()[key]["flag"] == "R"])
def test_a_computed_row_is_recomputed(key):
    assert any(re.fullmatch(pattern, key) for pattern in PATTERNS), f"no test recomputes {key}"


def test_quoted_rows_carry_a_date():
    quoted = [row for row in load().values() if row["tolerance"]["kind"] == "quote"]
    assert {row["k"] for row in quoted} >= {18, 38, 72}
    for row in quoted:
        assert re.search(r"\b(19|20)\d\d\b", row["source"]), row["key"]
        assert row["formula"] == "quoted"


@pytest.mark.parametrize(
    "pair",
    [
        ("pipeline_bubble_ratio", "pipeline_bubble_fraction"),
        ("adam_bytes_16", "adam_bytes_18"),
        ("adam_bytes_18", "adam_bytes_20"),
        ("gigabytes", "gibibytes"),
        ("model_flops_utilisation", "hardware_flops_utilisation"),
        ("algorithm_bandwidth", "bus_bandwidth"),
    ],
)
def test_two_definitions_stand_side_by_side(pair):
    for this, other in (pair, pair[::-1]):
        arguments = dict(next(iter(load()[this].get("cases", [{}]))))
        arguments.pop("value", None)
        text = str(known(this, **arguments))
        assert f"not the same as {load()[other]['quantity']}" in text and f"[{other}]" in text


def test_another_unit_is_refused():
    row = known("gigabytes", bytes=2e9)
    assert row.check(2.0, unit="GB") == 2.0
    with pytest.raises(ValueError, match=r"gigabytes is in 'GB', the measurement in 'GiB': convert it first"):
        row.check(1.86, unit="GiB")


GOOD = "{key: a, k: 1, quantity: q, formula: f, value: 0, unit: u, tolerance: {kind: exact}, source: s, flag: R}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rows: [", r"bank/known/06_x\.yaml, line \d: not readable as YAML"),
        ("\tx: 1", r"line \d: not readable as YAML"),
        ("- key: a", "needs `rows:`"),
        ("", "needs `rows:`"),
        ("rows: {a: 1}", "needs `rows:`"),
        ("rows: [3]", "row 1 has no key"),
        (f"rows: [{GOOD.replace('key: a', 'key: ')}]", "row 1 has no key"),
        (f"rows: [{GOOD}, {GOOD}]", r"06_x\.yaml: 'a' is in bank/known/06_x\.yaml already; rename one"),
        (f"rows: [{GOOD.replace('source: s', 'note: s')}]", "'a' has no source"),
        (f"rows: [{GOOD.replace('source: s', 'source: ')}]", "'a' has no source"),
        (f"rows: [{GOOD.replace('value: 0, ', '')}]", "'a' has no number"),
        (f"rows: [{GOOD.replace('value: 0', 'value: 0, expression: n')}]", "'a' has no number"),
        (f"rows: [{GOOD.replace('key: a', 'key: a, beside: [b]')}]", "'a' stands beside 'b', which is not there"),
        (f"rows: [{GOOD.replace('key: a', 'key: a, chapter: 6')}]", "'a' has a chapter; remove the field"),
    ],
)
def test_a_damaged_bank_ends_in_a_sentence(text, words):
    with pytest.raises(ValueError, match=words):
        parse({"06_x.yaml": text})


def test_a_good_bank_is_read():
    rows, out = parse(
        {"06_x.yaml": f"rows: [{GOOD}]\nleft_out: [{{k: 2, what: w, reason: r}}]", "07_y.yaml": "rows: []"}
    )
    assert list(rows) == ["a"] and rows["a"]["chapter"] == out[0]["chapter"] == "06"


def test_a_key_of_another_chapter_is_taken():
    with pytest.raises(ValueError, match=r"07_y\.yaml: 'a' is in bank/known/06_x\.yaml already; rename one"):
        parse({"06_x.yaml": f"rows: [{GOOD}]", "07_y.yaml": f"rows: [{GOOD}]"})


@pytest.mark.parametrize("key", [key for key in keys() if load()[key]["flag"] == "R"])
def test_a_computed_row_is_bounded_on_both_sides_around_its_own_value(key):
    """A range that is open on one side hides a row whose value is not what its test gives."""
    answer = load()[key]
    if answer["tolerance"]["kind"] == "range":
        low, high = answer["tolerance"]["low"], answer["tolerance"]["high"]
        assert low <= answer["value"] <= high
        assert high - low <= 0.7 * max(abs(low), abs(high)) or high <= 1, f"{key}: {low} to {high} is too wide to fail"
