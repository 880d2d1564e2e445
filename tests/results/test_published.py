"""What the papers' own sums allow to be recomputed from the shipped rows."""

import csv
import runpy
import shutil
from collections import defaultdict
from math import sqrt
from pathlib import Path

import pytest

from ehrbench.assets import asset_dir
from ehrbench.results import MetricResult, Result
from ehrbench.results.published import published_results, published_supplements


def _value(result: Result, name: str) -> float:
    metric = result.metric(name)
    assert metric is not None
    assert metric.value is not None
    return metric.value


def _facts(group: str) -> dict[str, float]:
    return {fact.label: fact.value for facts in published_supplements().facts for fact in facts.facts if fact.group == group}


def test_every_row_says_where_it_is_from() -> None:
    rows = published_results()
    assert {row.suite for row in rows} == {"medalign", "meds_bench", "mimic_instr", "ehr_bench", "ehrshot"}
    for row in rows:
        assert row.kind == "published"
        assert row.protocol == "paper"
        assert row.source is not None
        assert row.source.title
        assert row.source.where
        for metric in row.metrics:
            assert (metric.low is None) == (metric.high is None)
            assert bool(metric.interval) == (metric.low is not None)
    assert all(path.stat().st_size < 1 << 20 for path in asset_dir("published").iterdir())


def test_medalign_win_rates_and_ranks_sum_as_six_systems_must() -> None:
    systems = [row for row in published_results("medalign") if row.source and row.source.where == "Table 3"]
    assert len(systems) == 6
    assert sum(_value(row, "win_rate") for row in systems) == pytest.approx(3.0, abs=1e-9)
    assert sum(_value(row, "mean_rank") for row in systems) == pytest.approx(21.0, abs=1e-9)
    for row in systems:
        correct = row.metric("correct")
        assert correct is not None
        assert correct.value is not None
        count = round(correct.value * 303)
        assert round(100 * count / 303, 1) == pytest.approx(100 * correct.value)
        low, high = _wilson(count, 303)
        assert (correct.low, correct.high) == (pytest.approx(low, abs=6e-4), pytest.approx(high, abs=6e-4))


def test_medalign_columns_sum_to_their_totals() -> None:
    for group, total in (("Instructions with gold answers, by category", 303), ("All instructions, by category", 983)):
        facts = _facts(group)
        assert facts.pop("Total") == total
        assert sum(facts.values()) == total
    collection = _facts("Collection of instructions")
    specialties = {k: v for k, v in collection.items() if not k.startswith("instructions")}
    assert sum(specialties.values()) == collection["instructions submitted"] == 1314


def test_medalign_correlations_have_intervals_around_them_and_a_ceiling() -> None:
    (table,) = published_supplements().correlations
    assert len(table.metrics) == 13
    for metric in table.metrics:
        assert metric.low is not None
        assert metric.high is not None
        assert metric.low < metric.value < metric.high
        assert (metric.high - metric.low) / 2 == pytest.approx(0.04, abs=0.0051)
    assert table.inter_rater is not None
    assert table.inter_rater.value == 0.44
    assert [m.label for m in sorted(table.metrics, key=lambda m: -m.value)][:3] == ["COMET", "BERTScore", "METEOR"]


def test_meds_bench_averages_follow_from_the_cells_but_for_the_two_known_errors() -> None:
    rows = published_results("meds_bench")
    cells: dict[tuple[str, str, str], list[float | None]] = defaultdict(list)

    def family(metric: MetricResult) -> str:
        return metric.label.split(" (")[0]

    for row in rows:
        category, _, name = row.task.removeprefix("meds_bench.").partition(".")
        if row.track == "" and not (category == "text_summarization" and name in ("ct", "mri")):
            for metric in row.metrics:
                cells[category, row.model.name, family(metric)].append(metric.value)
    checked, wrong = 0, []
    for row in rows:
        if row.track != "averages over tasks":
            continue
        category = row.task.removeprefix("meds_bench.")
        for metric in row.metrics:
            values = cells[category, row.model.name, family(metric)]
            if metric.value is None:
                assert None in values
                continue
            numbers = [100 * value for value in values if value is not None]
            assert len(numbers) == len(values)
            checked += 1
            printed = 100 * metric.value
            decimals = 1 if category == "mcqa" else 2
            if abs(sum(numbers) / len(numbers) - printed) > 1.0001 * 10**-decimals:  # cells and averages are both rounded
                wrong.append((row.model.name, category, round(sum(numbers) / len(numbers), 1)))
    assert checked == 60
    assert sorted(wrong) == [("GPT-4", "mcqa", 75.9), ("Mistral", "mcqa", 59.6)]


def test_meds_bench_columns_are_the_paper_protocols_metrics() -> None:
    from ehrbench.metrics import METRICS

    for row in published_results("meds_bench"):
        for metric in row.metrics:
            ours = METRICS.get(metric.name)
            assert ours.range == metric.range
            assert ours.label.split(" (")[0] == metric.label.split(" (")[0]


def test_meds_bench_rows_carry_their_doubts() -> None:
    rows = {(row.model.name, row.task): row for row in published_results("meds_bench")}
    for model in ("MEDITRON", "Mistral"):
        row = rows[model, "meds_bench.clinical_outcome_prediction.hospitalization"]
        assert any("copy error" in caveat for caveat in row.caveats)
    assert rows["Claude-3.5", "meds_bench.diagnosis.ddxplus"].n_items is None
    assert rows["GPT-4", "meds_bench.diagnosis.ddxplus"].n_items == 1500
    rouge = rows["GPT-4", "meds_bench.explanation.biolord"].metric("rouge_l_set_explanation")
    assert rouge is not None
    assert "Printed as ROUGE" in rouge.note


def test_meds_bench_accuracies_are_counts_over_n() -> None:
    # Section 1.3 of the paper's counts: every accuracy is k/n within rounding, but for the cells that are marked.
    for row in published_results("meds_bench"):
        metric = row.metrics[0]
        if not metric.label.startswith("Accuracy") or not row.n_items or row.track or ".mcqa." in row.task:
            continue
        assert metric.value is not None
        k = round(metric.value * row.n_items)
        if abs(100 * k / row.n_items - 100 * metric.value) > 0.00501:
            assert any("multiple" in caveat for caveat in row.caveats), (row.model.name, row.task)


def test_the_pooled_interval_of_mimic_instr_follows_from_the_subsets_but_for_llemr() -> None:
    rows = {(row.model.name, row.task): row.metrics[0] for row in published_results("mimic_instr")}
    models = sorted({name for name, task in rows if task == "mimic_instr.schema"})
    assert len(models) == 9
    off = []
    for name in models:
        a, b, pooled = (rows[name, f"mimic_instr{part}"] for part in (".schema", ".reasoning", ""))
        assert a.value is not None
        assert b.value is not None
        assert pooled.value is not None
        assert pooled.value == pytest.approx((a.value + b.value) / 2, abs=0.0101)
        half = _pooled_half_width(a.value, _half(a), b.value, _half(b), 100)
        if abs(half - _half(pooled)) > 0.0101:
            off.append((name, round(half, 2), round(_half(pooled), 2)))
    assert off == [("Llemr+Stage1", 4.80, 6.83), ("Llemr+Stage1&2", 3.64, 5.30)]
    full = {(row.model.name, row.task): row for row in published_results("mimic_instr")}
    assert any("does not follow" in caveat for caveat in full["Llemr+Stage1", "mimic_instr"].caveats)


def test_ehr_bench_rows_carry_the_figures_caveats() -> None:
    rows = published_results("ehr_bench")
    assert len(rows) == 22
    for row in rows:
        assert any("error bars" in caveat for caveat in row.caveats)
        if row.task == "ehr_bench.decision.paper_24":
            assert any("axis says Accuracy" in caveat for caveat in row.caveats)
    (best,) = [row for row in rows if row.model.name == "EHR-R1-72B" and row.task == "ehr_bench.risk"]
    assert any("0.9523" in caveat for caveat in best.caveats)


def test_the_shipped_files_are_what_the_converter_makes(shared_dir: Path, tmp_path: Path) -> None:
    tables = shared_dir / "published"
    if not tables.is_dir():
        pytest.skip("no transcribed tables")
    for name in ("convert.py", "ehrshot.csv"):
        shutil.copy(asset_dir("published") / name, tmp_path / name)
    runpy.run_path(str(tmp_path / "convert.py"))["main"](tables)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.suffix == ".json"}
    shipped = {path.name: path.read_bytes() for path in asset_dir("published").iterdir() if path.suffix == ".json"}
    assert made == shipped


def test_every_printed_number_is_there(shared_dir: Path) -> None:
    tables = shared_dir / "published"
    if not tables.is_dir():
        pytest.skip("no transcribed tables")
    shown = sorted(round(100 * m.value, 3) for row in published_results("meds_bench") for m in row.metrics if m.value is not None)
    with (tables / "meds-bench.csv").open(encoding="utf-8", newline="") as file:
        printed = sorted(round(float(row["value"]), 3) for row in csv.DictReader(file) if row["value"])
    assert shown == printed


def _wilson(k: int, n: int) -> tuple[float, float]:
    z = 1.959964
    centre, half = k / n + z * z / (2 * n), z * sqrt(k / n * (1 - k / n) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def _half(metric: object) -> float:
    return (metric.high - metric.low) / 2  # type: ignore[attr-defined, no-any-return]


def _pooled_half_width(a: float, half_a: float, b: float, half_b: float, n: int) -> float:
    """From two subsets of n items: back to variances, pool with ddof 1, to 1.96 standard errors again."""
    variances = [(half / 1.96) ** 2 * n for half in (half_a, half_b)]
    mean = (a + b) / 2
    squares = sum(variance * (n - 1) for variance in variances) + n * ((a - mean) ** 2 + (b - mean) ** 2)
    return 1.96 * sqrt(squares / (2 * n - 1) / (2 * n))
