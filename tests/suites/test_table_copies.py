"""Each benchmark is built, byte for byte, alike from every copy of the tables that holds the same rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build import prepare as ehr_bench
from ehrbench.suites.mimic_instr.build import prepare as mimic_instr
from ehrbench.suites.mimic_instr.prediction import prepare as prediction
from tests.mimic.copies import WRITERS, Rows, as_released, copy, few_patients, outputs

pytestmark = pytest.mark.demo_data
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


@pytest.fixture(scope="module")
def tables(demo: Mimic) -> Mapping[str, tuple[list[str], Rows]]:
    return few_patients(demo)


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
