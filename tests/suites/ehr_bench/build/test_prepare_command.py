"""``ehrbench data prepare ehr_bench`` as a user types it."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError
from ehrbench.mimic.schema import TABLES
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.ehr_bench.build.maps import Maps

ROWS = ("ehr_bench_decision_making.jsonl", "ehr_bench_risk_prediction.jsonl")


def prepare(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", "prepare", "ehr_bench", *map(str, arguments)])


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for name in ROWS for line in (out / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def release(synthetic: tuple[Mimic, Maps]) -> Path:
    return synthetic[0].root


@pytest.fixture(scope="module")
def maps(synthetic: tuple[Mimic, Maps]) -> list[str | Path]:
    _, found = synthetic
    assert found.ccs is not None and found.atc is not None
    return ["--ccs", found.ccs, "--atc", found.atc]


def test_profiles_differ_as_their_help_says(release: Path, maps: list[str | Path], tmp_path: Path) -> None:
    found = {}
    for profile in ("ref", "fixed", "clean"):
        out = tmp_path / profile
        done = prepare("--mimic", release, *maps, "--profile", profile, "--out", out)
        assert done.exit_code == 0, done.output
        assert "credentialed data" in done.output
        found[profile] = rows_of(out)
        assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["options"]["profile"] == profile
    assert all(row["task_info"]["hours"] is None for row in found["ref"] + found["fixed"])
    assert all(row["task_info"]["hours"] for row in found["clean"])
    in_ref = {row["task_info"]["task"]: row["input"] for row in found["ref"]}
    in_clean = {row["task_info"]["task"]: row["input"] for row in found["clean"]}
    assert "## Pharmacy" in in_ref["emar"] and "## Pharmacy" not in in_clean["emar"]
    prepare("--mimic", release, *maps, "--out", tmp_path / "default")
    assert rows_of(tmp_path / "default") == found["clean"], "clean is the default"


def test_json_tells_all_that_the_table_shows(release: Path, tmp_path: Path) -> None:
    done = prepare("--mimic", release, "--profile", "ref", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["out"] == str(tmp_path / "out")
    assert (told["patients"], told["events"], told["long_records"], told["open_data"]) == (1, 30, 0, False)
    assert told["written"]["Inpatient_Mortality"] == told["positives"]["Inpatient_Mortality"] == 1
    assert any("--ccs" in sentence for sentence in told["skipped"])
    assert sum(told["written"].values()) == len(rows_of(tmp_path / "out"))
    shown = prepare("--mimic", release, "--profile", "ref", "--out", tmp_path / "shown")
    assert "1 patients, 30 events; 0 patients left out for long records" in shown.output
    assert "note: no prescriptions_atc and medrecon_atc" in shown.output


def test_the_folder_is_for_its_owner_and_repeats_to_the_byte(release: Path, maps: list[str | Path], tmp_path: Path) -> None:
    for layout in ("jsonl", "parquet"):
        one, two = tmp_path / layout / "one", tmp_path / layout / "two"
        for out in (one, two):
            assert prepare("--mimic", release, *maps, "--layout", layout, "--seed", "3", "--out", out).exit_code == 0
            assert stat.S_IMODE(out.stat().st_mode) == 0o700
            assert (out / ".gitignore").read_text(encoding="utf-8") == "*\n"
        files = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file()]
        assert files == [path.relative_to(two) for path in sorted(two.rglob("*")) if path.is_file()]
        for path in files:
            assert (one / path).read_bytes() == (two / path).read_bytes(), path
        before = {path: (one / path).read_bytes() for path in files}
        assert prepare("--mimic", release, *maps, "--layout", layout, "--seed", "3", "--out", one).exit_code == 0
        assert before == {path: (one / path).read_bytes() for path in files}, "over itself, too"


def test_modules_that_lie_apart(release: Path, maps: list[str | Path], tmp_path: Path) -> None:
    main, ed, note = tmp_path / "mimic", tmp_path / "mimic-ed", tmp_path / "mimic-note"
    for module, place in (("hosp", main), ("icu", main), ("ed", ed), ("note", note)):
        shutil.copytree(release / module, place / module)
    assert prepare("--mimic", release, *maps, "--profile", "ref", "--out", tmp_path / "together").exit_code == 0
    options = ["--mimic", main, *maps, "--profile", "ref"]
    done = prepare(*options, "--ed", ed, "--notes", note, "--out", tmp_path / "apart")
    assert done.exit_code == 0
    for name in ROWS:
        assert (tmp_path / "apart" / name).read_bytes() == (tmp_path / "together" / name).read_bytes()
    done = prepare(*options, "--ed", ed, "--out", tmp_path / "no-notes")
    assert "note: no Readmission_30day and Readmission_60day: the release has no table 'discharge'" in done.output
    assert not any("## Radiology" in row["input"] for row in rows_of(tmp_path / "no-notes"))
    done = prepare(*options, "--notes", note, "--out", tmp_path / "no-ed")
    assert "note: no task of the emergency department: the release has no table 'edstays'" in done.output
    assert not any("## EDstays" in row["input"] for row in rows_of(tmp_path / "no-ed"))


def typed(path: Path) -> pl.DataFrame:
    """A table as a database would have it: numbers and times typed, text as text."""
    table = TABLES[path.name.split(".")[0]]
    rows = pl.read_csv(path, infer_schema=False)
    kinds = {"int": pl.Int64, "float": pl.Float64}
    changes = []
    for name in rows.columns:
        kind = table.columns.get(name, "text")
        if kind in kinds:
            changes.append(pl.col(name).cast(pl.Float64).cast(kinds[kind]))
        elif kind == "time":
            changes.append(pl.col(name).str.to_datetime())
        elif kind == "date":
            changes.append(pl.col(name).str.head(10).str.to_date())
    return rows.with_columns(changes)


@pytest.mark.parametrize("form", ["text", "typed", "parts"])
@pytest.mark.parametrize("profile", ["ref", "clean"])
def test_parquet_tables_give_the_rows_of_csv_tables(
    release: Path, maps: list[str | Path], tmp_path: Path, form: str, profile: str
) -> None:
    for path in release.rglob("*.csv"):
        if path.parent.name not in ("hosp", "icu", "ed", "note"):
            continue
        place = tmp_path / "parquet" / path.parent.name / f"{path.stem}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        rows = pl.read_csv(path, infer_schema=False) if form == "text" else typed(path)
        if form == "parts":
            place.mkdir()
            for nth, part in enumerate(rows.iter_slices(2)):
                part.write_parquet(place / f"{nth:04}.parquet")
        else:
            rows.write_parquet(place)
    options = [*maps, "--profile", profile]
    assert prepare("--mimic", release, *options, "--out", tmp_path / "of-csv").exit_code == 0
    done = prepare("--mimic", tmp_path / "parquet", *options, "--out", tmp_path / "of-parquet")
    assert done.exit_code == 0, done.output
    of_csv, of_parquet = rows_of(tmp_path / "of-csv"), rows_of(tmp_path / "of-parquet")
    if form == "text":
        assert of_parquet == of_csv
    assert [row["task_info"] for row in of_parquet] == [row["task_info"] for row in of_csv]
    assert [as_numbers(row["input"]) for row in of_parquet] == [as_numbers(row["input"]) for row in of_csv]


def as_numbers(text: str) -> str:
    """``88`` and ``88.0`` are one: a typed table does not say which was written."""
    return text.replace(".0 |", " |").replace(".0\n", "\n")


@pytest.mark.demo_data
def test_the_demo_through_parquet_copies_is_the_demo(shared_dir: Path, tmp_path: Path) -> None:
    for source in (shared_dir / "data" / "mimic-iv-demo", shared_dir / "data" / "mimic-iv-ed-demo"):
        for path in source.glob("*/*.csv.gz"):
            place = tmp_path / "parquet" / path.parent.name / f"{path.name.split('.')[0]}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            pl.read_csv(path, infer_schema=False).write_parquet(place)
    options = ["--per-task", "20", "--profile", "ref", "--json"]
    demo = ["--mimic", shared_dir / "data" / "mimic-iv-demo", "--ed", shared_dir / "data" / "mimic-iv-ed-demo"]
    one = json.loads(prepare(*demo, *options, "--out", tmp_path / "of-csv").stdout)
    other = json.loads(prepare("--mimic", tmp_path / "parquet", *options, "--out", tmp_path / "of-parquet").stdout)
    assert one["open_data"] and not other["open_data"], "a repacked table is not known to be the demo's"
    for key in ("raw", "kept", "written", "positives", "events"):
        assert one[key] == other[key]
    of_csv, of_parquet = rows_of(tmp_path / "of-csv"), rows_of(tmp_path / "of-parquet")
    assert of_parquet == of_csv


@pytest.mark.demo_data
def test_the_number_of_rows_and_the_seed(shared_dir: Path, tmp_path: Path) -> None:
    demo = ["--mimic", shared_dir / "data" / "mimic-iv-demo", "--ed", shared_dir / "data" / "mimic-iv-ed-demo", "--json"]
    told = json.loads(prepare(*demo, "--per-task", "4", "--seed", "1", "--out", tmp_path / "one").stdout)
    assert max(told["written"].values()) == 4 and told["open_data"]
    assert (told["written"]["LengthOfStay_3day"], told["positives"]["LengthOfStay_3day"]) == (4, 2)
    json.loads(prepare(*demo, "--per-task", "4", "--seed", "2", "--out", tmp_path / "two").stdout)
    assert rows_of(tmp_path / "one") != rows_of(tmp_path / "two")


def test_where_it_writes_and_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRBENCH_DATA", str(tmp_path / "data"))
    done = prepare("--mimic", "sample", "--profile", "ref", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["out"] == str(tmp_path / "data" / "ehr_bench")
    assert len(rows_of(tmp_path / "data" / "ehr_bench")) > 100
    status = CliRunner().invoke(app, ["data", "status", "ehr_bench.risk", "--read", "--json"])
    states = {state["task"]: state for state in json.loads(status.stdout)}
    assert states["ehr_bench.risk.Inpatient_Mortality"]["state"] == "here"
    assert states["ehr_bench.risk.Inpatient_Mortality"]["n_items"] > 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--mimic", "{tmp}/none"], 3, "is not a folder"),
        (["--mimic", "{tmp}"], 3, "no table 'patients'"),
        (["--mimic", "{release}", "--ed", "{tmp}/none"], 3, "is not a folder"),
        (["--mimic", "{release}", "--notes", "{tmp}/none"], 3, "is not a folder"),
        (["--mimic", "{release}", "--ccs", "{tmp}/none"], 3, "--ccs: .* is not there"),
        (["--mimic", "{release}", "--atc", "{tmp}/none.csv"], 3, "is not there"),
        (["--mimic", "{release}", "--test-share", "1.5"], 2, "above 0 and below 1"),
        (["--mimic", "{release}", "--test-share", "0.5", "--split", "{tmp}/split.csv"], 2, "not by both"),
    ],
)
def test_what_is_wrong_is_said(release: Path, tmp_path: Path, options: list[str], code: int, message: str) -> None:
    done = prepare(*(one.format(tmp=tmp_path, release=release) for one in options), "--out", tmp_path / "out")
    assert isinstance(done.exception, EhrbenchError)
    assert done.exception.exit_code == code
    with pytest.raises(EhrbenchError, match=message):
        raise done.exception
    assert not (tmp_path / "out").exists()


def test_options_that_are_not_there(release: Path, tmp_path: Path) -> None:
    for options in (["--profile", "best"], ["--layout", "xml"], ["--per-task", "1"]):
        done = prepare("--mimic", release, *options, "--out", tmp_path / "out")
        assert done.exit_code == 2


def test_a_table_that_lacks_a_column_leaves_an_earlier_build_alone(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert prepare("--mimic", release, "--out", out).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    broken = tmp_path / "broken"
    shutil.copytree(release, broken)
    labs = broken / "hosp" / "labevents.csv"
    labs.write_text(labs.read_text(encoding="utf-8").replace("itemid", "item"), encoding="utf-8")
    done = prepare("--mimic", broken, "--out", out)
    assert "labevents.csv has no column 'itemid'" in str(done.exception)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
