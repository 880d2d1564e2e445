"""CCS titles in AHRQ's own files give what tables of titles give."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.maps import Maps
from ehrbench.suites.ehr_bench.build.prepare import Options, prepare

NAMES = {
    ("diagnoses", "9"): ("$dxref 2015.csv", "ICD-9-CM CODE", "NOTE: as downloaded\n"),
    ("procedures", "9"): ("$prref 2015.csv", "ICD-9-CM CODE", "NOTE: as downloaded\n"),
    ("diagnoses", "10"): ("ccs_dx_icd10cm_2019_1.csv", "ICD-10-CM CODE", ""),
    ("procedures", "10"): ("ccs_pr_icd10pcs_2020_1.csv", "ICD-10-PCS CODE", ""),
}


def as_ahrq(folder: Path, golden: dict[str, Any], subjects: tuple[str, ...] = ("diagnoses", "procedures")) -> Path:
    """The synthetic patient's titles, as AHRQ writes its files."""
    folder.mkdir()
    for (subject, version), (name, header, note) in NAMES.items():
        if subject not in subjects:
            continue
        found = csv.DictReader(golden["index_mapping_csv"][f"hosp/d_ccs_{subject}"].splitlines())
        lines = [f"{note}'{header}','CCS CATEGORY','CCS CATEGORY DESCRIPTION','{header} DESCRIPTION'"]
        lines += [
            f"'{r['icd_code']:<7}','{n}   ','{r['long_title']}',\"CODE\""
            for n, r in enumerate(found, 1)
            if r["icd_version"] == version
        ]
        lines += [f"'{'99999' if version == '9' else 'Z9999'}','400','Something else',\"CODE\""]
        (folder / name).write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("profile", ["ref", "fixed", "clean"])
def test_ahrqs_files_give_the_same_rows_as_tables_of_titles(
    synthetic: tuple[Mimic, Maps], golden: dict[str, Any], tmp_path: Path, profile: str
) -> None:
    mimic, maps = synthetic
    ahrq = Maps(as_ahrq(tmp_path / "ahrq", golden), maps.atc)
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    for path in (tmp_path / "ahrq").iterdir():
        with zipfile.ZipFile(zipped / f"{path.stem}.zip", "w") as archive:
            archive.write(path, f"release/{path.name}")
    for name, found in (("tables", maps), ("files", ahrq), ("zips", Maps(zipped, maps.atc))):
        summary = prepare(mimic, tmp_path / name, Options(profile), found)
        assert summary.skipped == []
        assert {"procedures_ccs", "diagnoses_ccs"} <= set(summary.raw)
    for name in ("files", "zips"):
        for kind in ("decision_making", "risk_prediction"):
            file = f"ehr_bench_{kind}.jsonl"
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "tables" / file).read_bytes()
    used = json.loads((tmp_path / "files" / "manifest.json").read_text(encoding="utf-8"))["maps"]
    assert {*(name for name, _, _ in NAMES.values()), "titles of diagnoses", "titles of procedures"} < set(used)


def test_what_the_folder_lacks_is_said(synthetic: tuple[Mimic, Maps], golden: dict[str, Any], tmp_path: Path) -> None:
    folder = as_ahrq(tmp_path / "ahrq", golden, ("diagnoses",))
    (folder / "$dxref 2015.csv").unlink()
    summary = prepare(synthetic[0], tmp_path / "out", Options("fixed"), Maps(folder))
    said = "\n".join(summary.skipped)
    assert f"no procedures_ccs: {folder} has no CCS of procedures" in said
    assert "has CCS titles of ICD-10 codes only; other codes have none" in said
    assert "diagnoses_ccs" in summary.raw and "procedures_ccs" not in summary.raw


def test_folders_that_are_not_ahrqs(synthetic: tuple[Mimic, Maps], tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="is not there; name the folder"):
        prepare(synthetic[0], tmp_path / "out", Options(), Maps(tmp_path / "none"))
    (tmp_path / "ccs").mkdir()
    with pytest.raises(MissingError, match="neither AHRQ's CCS files nor d_ccs_diagnoses.csv"):
        prepare(synthetic[0], tmp_path / "out", Options(), Maps(tmp_path / "ccs"))
    (tmp_path / "ccs" / "d_ccs_diagnoses.csv").write_text("code,title\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"d_ccs_diagnoses\.csv has no column icd_code, icd_version, long_title"):
        prepare(synthetic[0], tmp_path / "out", Options(), Maps(tmp_path / "ccs"))
    with pytest.raises(MissingError, match=r"atc\.csv is not there"):
        prepare(synthetic[0], tmp_path / "out", Options(), Maps(atc=tmp_path / "atc.csv"))
    assert not (tmp_path / "out").exists(), "nothing is made before the maps are read"
