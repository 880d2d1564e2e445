"""Every checked example of MedS-Bench's own scripts, in ``paper``; the repository holds none of them."""

from __future__ import annotations

import json

import pytest

from tests.conftest import GOLDEN
from tests.suites.meds_bench.cases import answer

CASES = json.loads((GOLDEN / "meds-bench.json").read_text(encoding="utf-8"))["cases"]
SCORED_AS_TEXT = ("int' object", "numpy.int", "float' object has no attribute 'replace'")
"""The reference fails on cells that look like numbers; ours are text."""


def expected(case):
    """{task: numbers}, however deep the reference nests its tables."""
    tables = case["result"] if isinstance(case["result"], list) else [case["result"]]
    merged = {}
    for table in tables:
        for row in table.values():
            if "f1_score" in row:
                row = {"task106": [row["precision"], row["recall"], row["f1_score"]]}
            merged.update(row)
    return {task: value if isinstance(value, list) else [value] for task, value in merged.items()}


def test_examples_are_there():
    assert len(CASES) >= 57


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_example(case):
    got = answer(case)
    if case["call"] == "cal_similarity":
        for ours, key in zip(got, ("bleu1", "rouge"), strict=True):
            if case[key] is not None:
                assert ours == pytest.approx(case[key], abs=1e-6)
            elif not case["prediction"].strip(" ."):
                assert ours == 0  # the reference raises on a text without a sentence
        return
    if "error" in case:
        numbers = [got] if isinstance(got, float) else [value for values in got.values() for value in values]
        answers = [row["output"] for row in case.get("rows", [{"output": case.get("prediction", "")}])]
        if not any(text.strip(" .") for text in answers):
            assert numbers == [0.0] * len(numbers)  # counted as wrong
        elif any(words in case["error"] for words in SCORED_AS_TEXT) and all(answers):
            assert numbers == [100.0] * len(numbers)
        else:
            assert all(0 <= number <= 100 for number in numbers)
        return
    if not isinstance(case["result"], (dict, list)):
        assert got == pytest.approx(case["result"], abs=1e-6)
        return
    for task, values in expected(case).items():
        if task in got and None not in got[task]:
            assert got[task] == pytest.approx(values, abs=1e-6), task
        else:  # without a row to score the reference prints 0 (or -1), ours has no value
            assert set(values) <= {0, -1}, task
