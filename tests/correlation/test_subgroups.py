"""Scores by group of patients: as records, items or a table state it; differences from the others; what is refused."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

import ehrbench
from ehrbench.correlation.subgroups import UNKNOWN, subgroups
from ehrbench.errors import UsageError
from ehrbench.readers.data_dir import open_dataset
from ehrbench.stats.estimate import estimate
from tests.acceptance.chart import ehrbench as command


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("subgroups")
    ehrbench.evaluate(
        "baseline:newest",
        "medalign",
        data_dir="sample",
        metrics=["rouge_l"],
        out=out,
        max_model_len=4096,
        budget_tokenizer="words",
    )
    return out


@pytest.fixture(scope="module")
def sexes() -> dict[str, str]:
    """Of each patient of the sample, read here by another way."""
    dataset = open_dataset(ehrbench.load_tasks("medalign")[0], "sample")
    return {
        str(item.group): "FEMALE"
        if re.search("<gender>FEMALE<|Gender: FEMALE", dataset.load_record(str(item.record_id)).text)
        else "MALE"
        for item in dataset.items  # in both of the releases' markups
    }


def test_sex_is_read_from_the_records(run: Path, sexes: dict[str, str]) -> None:
    (found,) = subgroups([run], "sex", metric="rouge_l")
    assert {group.value: group.patients for group in found.groups} == {
        sex: sum(own == sex for own in sexes.values()) for sex in ("FEMALE", "MALE")
    }
    one, other = found.groups
    assert one.difference == pytest.approx(-other.difference)
    assert one.difference == pytest.approx(one.score.value - other.score.value)
    assert one.low == pytest.approx(-other.high) and one.low < one.difference < one.high
    # Independent groups: the half-widths add in squares.
    assert one.difference - one.low == pytest.approx(
        math.hypot(one.score.value - one.score.low, other.score.high - other.score.value)
    )


def test_a_table_of_patients_says_it_too(run: Path, sexes: dict[str, str], tmp_path: Path) -> None:
    rows = [f"{patient},{sex.title()}" for patient, sex in sexes.items()]
    (tmp_path / "patients.csv").write_text("\n".join(["subject_id,sex", *rows[1:]]) + "\n")
    (found,) = subgroups([run], "sex", tmp_path / "patients.csv", metric="rouge_l")
    assert {group.value for group in found.groups} == {"Female", "Male", UNKNOWN}
    assert next(group.patients for group in found.groups if group.value == UNKNOWN) == 1
    (tmp_path / "twice.csv").write_text("patient,sex\n7,F\n7,M\n")
    with pytest.raises(UsageError, match=r"twice.csv:3: row 2: this patient has two values of 'sex'"):
        subgroups([run], "sex", tmp_path / "twice.csv")
    (tmp_path / "other.csv").write_text("patient,age\n7,50\n")
    with pytest.raises(UsageError, match="sex"):
        subgroups([run], "sex", tmp_path / "other.csv")


def test_a_key_of_the_items_is_a_group(run: Path) -> None:
    (found,) = subgroups([run], "category", metric="rouge_l")
    assert sum(group.items for group in found.groups) == 44
    largest = found.groups[0]
    assert largest.value.startswith("Retrieve") and largest.score.n == largest.items


def test_what_nobody_says_is_refused(run: Path) -> None:
    with pytest.raises(UsageError, match="nothing says the race of any patient"):  # the sample's records hold NULL
        subgroups([run], "race", metric="rouge_l")
    with pytest.raises(UsageError, match="nothing says the colour of any patient"):
        subgroups([run], "colour", metric="rouge_l")


def test_race_of_admissions(tmp_path: Path) -> None:
    ehrbench.evaluate("baseline:majority", "mimic_instr.mortality", data_dir="sample", out=tmp_path)
    (found,) = subgroups([tmp_path], "race", metric="brier")
    assert UNKNOWN not in {group.value for group in found.groups} and "WHITE" in {group.value for group in found.groups}


def test_the_command_prints_and_warns(run: Path) -> None:
    shown = command("subgroups", run, "--by", "category", "--metric", "rouge_l")
    assert shown.returncode == 0, shown.stderr
    assert "less the others" in shown.stdout and "fewer than 11 patients are not for publication" in shown.stdout
    rows = json.loads(command("subgroups", run, "--by", "sex", "--metric", "rouge_l", "--json").stdout)
    assert [set(group) >= {"value", "score", "difference"} for group in rows[0]["groups"]] == [True, True]


def test_differences_cover_nothing_wrong() -> None:
    """Two equal groups, drawn again and again: the difference's interval holds 0 in about 95 % of draws."""
    import numpy as np

    from ehrbench.correlation.subgroups import _apart

    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        sides = [estimate((rng.random(60) < 0.7).astype(float), [f"p{i // 2}" for i in range(60)], "mean") for _ in range(2)]
        _, low, high = _apart(*sides)
        held += low <= 0 <= high
    assert 0.92 <= held / 400 <= 0.985
