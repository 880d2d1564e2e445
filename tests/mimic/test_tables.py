from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.mimic.schema import TABLES
from ehrbench.mimic.tables import Mimic
from tests.mimic.tiny_mimic import write_table

LAB = {"labevent_id": 1, "subject_id": 10, "hadm_id": 20, "itemid": 5, "charttime": "2150-01-01 10:00:00", "value": "0042"}


def labs(root: Path) -> pl.DataFrame:
    mimic = Mimic(root)
    return mimic.collect(mimic.scan("labevents"))


def test_types_and_untouched_text(tmp_path: Path) -> None:
    write_table(tmp_path, "labevents", [LAB | {"valuenum": "42", "valueuom": " ", "storetime": "2150-01-01 10:00:00.983"}])
    row = labs(tmp_path).row(0, named=True)
    assert row["value"] == "0042"
    assert row["valueuom"] == " "
    assert row["valuenum"] == 42.0
    assert row["charttime"] == datetime(2150, 1, 1, 10)
    assert row["storetime"] == datetime(2150, 1, 1, 10, 0, 0, 983000)
    assert row["comments"] is None


@pytest.mark.parametrize("form", [".csv", ".csv.gz"])
def test_every_form_reads_alike(tmp_path: Path, form: str) -> None:
    write_table(
        tmp_path,
        "diagnoses_icd",
        [{"subject_id": 1, "hadm_id": 2, "seq_num": 1, "icd_code": "0090", "icd_version": 9}],
        form=form,
    )
    mimic = Mimic(tmp_path)
    rows = mimic.collect(mimic.scan("diagnoses_icd"))
    assert rows["icd_code"].to_list() == ["0090"]
    parquet = tmp_path / "p" / "hosp" / "diagnoses_icd.parquet"
    parquet.parent.mkdir(parents=True)
    rows.rename(str.upper).write_parquet(parquet)
    again = Mimic(tmp_path / "p")
    assert again.collect(again.scan("diagnoses_icd")).equals(rows)


def test_a_code_stored_as_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hosp" / "diagnoses_icd.parquet"
    path.parent.mkdir()
    pl.DataFrame({"subject_id": [1], "hadm_id": [2], "seq_num": [1], "icd_code": [90], "icd_version": [9]}).write_parquet(path)
    with pytest.raises(UsageError, match="'icd_code' is stored as Int64.*leading zeros"):
        Mimic(tmp_path).scan("diagnoses_icd")


def test_parquet_text_times_and_parts(tmp_path: Path) -> None:
    folder = tmp_path / "hosp" / "patients.parquet"
    folder.mkdir(parents=True)
    for i in (1, 2):
        pl.DataFrame(
            {
                "subject_id": [str(i)],
                "gender": ["F"],
                "anchor_age": [50],
                "anchor_year": [2150],
                "anchor_year_group": ["x"],
                "dod": ["2151-02-03"],
            }
        ).write_parquet(folder / f"{i}.parquet")
    mimic = Mimic(tmp_path)
    rows = mimic.collect(mimic.scan("patients").sort("subject_id"))
    assert rows["subject_id"].to_list() == [1, 2]
    assert rows["dod"].to_list() == [date(2151, 2, 3)] * 2


def test_columns_are_found_in_any_case(tmp_path: Path) -> None:
    path = write_table(tmp_path, "patients", [{"subject_id": 1, "gender": "F"}], form=".csv")
    path.write_text(path.read_text().replace("subject_id,gender", "SUBJECT_ID,Gender"))
    mimic = Mimic(tmp_path)
    assert mimic.collect(mimic.scan("patients", ["gender", "subject_id"])).rows() == [("F", 1)]


def test_missing_table_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no table 'labevents'.*hosp"):
        Mimic(tmp_path).scan("labevents")
    (tmp_path / "core").mkdir()
    with pytest.raises(MissingError, match="MIMIC-IV 1.0"):
        Mimic(tmp_path).scan("labevents")
    with pytest.raises(MissingError, match="not a folder"):
        Mimic(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("ROW_ID,SUBJECT_ID,GENDER,DOB", "MIMIC-III"),
        ("subject_id,gender", "no column 'anchor_age', 'anchor_year'"),
        ("subject_id,subject_id,gender", "stands twice"),
        ("", "is empty"),
    ],
)
def test_another_versions_table(tmp_path: Path, header: str, message: str) -> None:
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "patients.csv").write_text(header + "\n")
    with pytest.raises(UsageError, match=message):
        Mimic(tmp_path).scan("patients")


def test_admissions_of_version_1_are_named(tmp_path: Path) -> None:
    columns = [c.replace("race", "ethnicity") for c in TABLES["admissions"].columns]
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "admissions.csv").write_text(",".join(columns) + "\n")
    with pytest.raises(UsageError, match="no column 'race' and has 'ethnicity': this looks like MIMIC-IV 1.0"):
        Mimic(tmp_path).scan("admissions")


def test_columns_of_newer_releases_may_be_missing(tmp_path: Path) -> None:
    columns = [c for c in TABLES["labevents"].columns if c != "order_provider_id"]
    (tmp_path / "hosp").mkdir()
    (tmp_path / "hosp" / "labevents.csv").write_text(",".join(columns) + "\n")
    assert labs(tmp_path).columns == columns


@pytest.mark.parametrize("form", [".csv", ".csv.gz"])
def test_bad_rows_are_named_without_their_content(tmp_path: Path, form: str) -> None:
    def refused(change: Callable[[str], str], message: str) -> None:
        path = write_table(tmp_path, "labevents", [LAB, LAB | {"labevent_id": 2}], form=form)
        raw = gzip.decompress(path.read_bytes()) if form.endswith("gz") else path.read_bytes()
        lines = raw.decode().splitlines()
        lines[2] = change(lines[2])
        raw = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(raw) if form.endswith("gz") else raw)
        with pytest.raises(UsageError, match=message) as caught:
            labs(tmp_path)
        assert "labevents.csv" in str(caught.value)
        assert "0042" not in str(caught.value)
        assert "SECRET" not in str(caught.value)

    refused(lambda line: line[: line.index("0042")], "row 3 has 9 fields, and the header has 16")
    refused(lambda line: line + ",x", "row 3 has 17 fields")
    refused(lambda line: line.replace("2150-01-01", "SECRET"), "row 3, column 'charttime' is not a time")
    refused(lambda line: line.replace("2,", "SECRET,", 1), "row 3, column 'labevent_id' is not a whole number")
    refused(lambda line: line.replace("0042", '"0042'), "inside a quoted text after row 2")
    refused(lambda line: "\n" + line, "row 3 has 0 fields")


def test_truncated_gzip_is_named(tmp_path: Path) -> None:
    path = write_table(tmp_path, "labevents", [LAB | {"labevent_id": i, "specimen_id": i * 7919 % 104729} for i in range(5000)])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UsageError, match=r"labevents\.csv\.gz: the compressed file breaks off after row \d+"):
        labs(tmp_path)
    path.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(UsageError, match="not a whole gzip file"):
        labs(tmp_path)


@pytest.mark.parametrize("form", [".csv", ".csv.gz"])
def test_text_that_is_not_utf8_is_named_by_its_row(tmp_path: Path, form: str) -> None:
    path = write_table(
        tmp_path, "labevents", [LAB | {"comments": "caf\u00e9 " * 9, "labevent_id": i} for i in range(900)], form=form
    )
    raw = gzip.decompress(path.read_bytes()) if form.endswith("gz") else path.read_bytes()
    lines = raw.splitlines(keepends=True)
    lines[700] = lines[700].decode().encode("latin-1")
    raw = b"".join(lines)
    path.write_bytes(gzip.compress(raw) if form.endswith("gz") else raw)
    with pytest.raises(UsageError, match="row 701 is not UTF-8 text"):
        labs(tmp_path)


def test_a_folder_of_a_tables_name_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "hosp" / "labevents.csv.gz").mkdir(parents=True)
    with pytest.raises(MissingError, match="no table 'labevents'"):
        Mimic(tmp_path).scan("labevents")


def test_text_with_line_breaks_is_no_fault(tmp_path: Path) -> None:
    write_table(tmp_path, "labevents", [LAB | {"comments": 'one, "two"\nthree'}, LAB])
    assert labs(tmp_path)["comments"].to_list() == ['one, "two"\nthree', None]


def test_cache_gives_the_same_rows_and_follows_changes(tmp_path: Path) -> None:
    root, cache = tmp_path / "m", tmp_path / "cache"
    write_table(root, "labevents", [LAB])
    plain = labs(root)
    for _ in range(2):
        cached = Mimic(root, cache=cache)
        assert cached.collect(cached.scan("labevents")).equals(plain)
    assert len(list(cache.iterdir())) == 1
    assert cache.stat().st_mode & 0o077 == 0
    write_table(root, "labevents", [LAB, LAB])
    changed = Mimic(root, cache=cache)
    assert changed.collect(changed.scan("labevents")).height == 2


def test_a_cell_fault_in_a_query_that_never_reaches_it_is_no_error_class_of_polars(tmp_path: Path) -> None:
    write_table(tmp_path, "labevents", [LAB | {"valuenum": "many"}])
    with pytest.raises(EhrbenchError, match="column 'valuenum' is not a number"):
        labs(tmp_path)


@pytest.mark.demo_data
def test_the_demo_has_its_rows(demo: Mimic) -> None:
    counts = {"labevents": 107_727, "prescriptions": 18_087, "icustays": 140, "edstays": 222, "procedureevents": 1_468}
    for name, n in counts.items():
        assert demo.collect(demo.scan(name)).height == n
    fractions = demo.collect(demo.scan("procedureevents", ["storetime"]).filter(pl.col("storetime").dt.microsecond() > 0))
    assert fractions.height == 242
    assert demo.collect(demo.scan("labevents", ["hadm_id"]).filter(pl.col("hadm_id").is_null())).height == 28_420
