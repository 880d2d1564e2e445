"""The synthetic patient of the checked examples, written out as a release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.maps import Maps
from tests.conftest import GOLDEN

_IN_RELEASE = ("hosp/d_icd_diagnoses", "hosp/d_icd_procedures", "hosp/d_labitems", "icu/d_items")


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / "ehr-bench-build.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="session")
def synthetic(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Mimic, Maps]:
    root = tmp_path_factory.mktemp("synthetic")
    lookups = golden["index_mapping_csv"]
    for name, text in {**golden["raw_csv"], **{name: lookups[name] for name in _IN_RELEASE}}.items():
        path = root / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    maps = root / "maps"
    maps.mkdir()
    for name in ("d_ccs_diagnoses", "d_ccs_procedures", "d_atc_prescriptions"):
        (maps / f"{name}.csv").write_text(lookups[f"hosp/{name}"], encoding="utf-8")
    return Mimic(root), Maps(maps, maps / "d_atc_prescriptions.csv")
