"""Each benchmark is built, byte for byte, alike from every copy of the tables that holds the same rows.

A few patients are quick; ``EHRBENCH_WHOLE_DEMO=1`` (``tox -e copies``) takes all hundred.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build import prepare as ehr_bench
from ehrbench.suites.mimic_instr.build import prepare as mimic_instr
from ehrbench.suites.mimic_instr.prediction import prepare as prediction
from tests.mimic.copies import WRITERS, Rows, as_released, copy, doubled, outputs, rows_of

pytestmark = pytest.mark.demo_data
N_PATIENTS = None if os.environ.get("EHRBENCH_WHOLE_DEMO") else 4
Build = Callable[[Mimic, Path], object]
BUILDERS: Mapping[str, Build] = {
    "mimic_instr": lambda mimic, out: mimic_instr.prepare(mimic, out, mimic_instr.Options(everything=True)),
    "mimic_prediction": lambda mimic, out: prediction.prepare_prediction(mimic, out, prediction.PredictionOptions()),
    "ehr_bench": lambda mimic, out: ehr_bench.prepare(mimic, out, ehr_bench.Options()),
    "ehr_bench_patients": lambda mimic, out: ehr_bench.prepare(mimic, out, ehr_bench.Options(layout="parquet")),
    "ehr_bench_ref": lambda mimic, out: ehr_bench.prepare(mimic, out, ehr_bench.Options(profile="ref")),
}
BY_ROWS = {"ehr_bench_ref": ("doubled", "shuffled")}
"""The released procedure keeps repeated rows, and takes rows of one time as they lie in a file."""
UNIQUE = {"patient_demographics", "admission_info"}
"""Event types of which every admission has one."""


@pytest.fixture(scope="module")
def tables(demo: Mimic) -> Mapping[str, tuple[list[str], Rows]]:
    return rows_of(demo, N_PATIENTS)


@pytest.fixture(scope="module")
def expected(tables, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, bytes]]:
    root = tmp_path_factory.mktemp("released")
    mimic = copy(tables, root / "mimic", as_released)
    return {name: build(mimic, root / name) and dict(outputs(root / name)) for name, build in BUILDERS.items()}


@pytest.mark.parametrize("writer", WRITERS)
def test_the_same_rows_give_the_same_bytes(writer: str, tables, expected, tmp_path: Path) -> None:
    mimic = copy(tables, tmp_path / "mimic", WRITERS[writer])
    for name, build in BUILDERS.items():
        if writer in BY_ROWS.get(name, ()):
            continue
        build(mimic, tmp_path / name)
        made = dict(outputs(tmp_path / name))
        assert sorted(made) == sorted(expected[name]), name
        assert [file for file in made if made[file] != expected[name][file]] == [], name


def test_rows_that_a_table_has_twice_are_counted_and_told(tables, tmp_path: Path) -> None:
    once, twice = (copy(tables, tmp_path / write.__name__, write) for write in (as_released, doubled))
    instr = [mimic_instr.prepare(mimic, tmp_path / "instr", mimic_instr.Options()) for mimic in (once, twice)]
    assert instr[0].repeated == {}
    assert instr[1].repeated["labevents"] >= instr[0].events["labevents"] == instr[1].events["labevents"]
    assert set(instr[1].repeated) == {event_type for event_type, n in instr[0].events.items() if n} - UNIQUE
    predicted = prediction.prepare_prediction(twice, tmp_path / "prediction", prediction.PredictionOptions())
    assert predicted.repeated == {name: n for name, n in instr[1].repeated.items() if name != "diagnoses_icd"}
    header, rows = tables["labevents"]
    built = ehr_bench.prepare(twice, tmp_path / "ehr_bench", ehr_bench.Options())
    assert built.repeated["labevents"] == len(rows)
    assert built.repeated["medrecon"] == len(tables["medrecon"][1])  # it has no key
    assert ehr_bench.prepare(once, tmp_path / "ehr_bench", ehr_bench.Options()).repeated == {}


def test_the_authors_procedure_counts_a_row_as_often_as_it_stands_there(tables, tmp_path: Path) -> None:
    once, twice = (copy(tables, tmp_path / write.__name__, write) for write in (as_released, doubled))
    kept = mimic_instr.Options(keep_repeated=True)
    instr = [mimic_instr.prepare(mimic, tmp_path / "instr", kept) for mimic in (once, twice)]
    assert instr[1].events["labevents"] == 2 * instr[0].events["labevents"]
    assert instr[1].repeated == {}
    stays = prediction.prepare_prediction(twice, tmp_path / "prediction", prediction.PredictionOptions(keep_repeated=True))
    assert stays.repeated == {}
    assert ehr_bench.prepare(twice, tmp_path / "ehr_bench", ehr_bench.Options(profile="ref")).repeated == {}
