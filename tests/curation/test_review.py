"""From instructions and records to the sheet, the table of relevant matches, and a data folder that is evaluated."""

from __future__ import annotations

import csv
import json
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.cli import main
from ehrbench.curation.matching import DRAWN, MATCHED, Candidate
from ehrbench.curation.review import REVIEW, Judgement, outcomes, read_candidates, read_sheet
from ehrbench.errors import UsageError
from ehrbench.stats.interval import wilson
from tests.curation.ward import BEST, INSTRUCTIONS, RECORDS, write_ward


def ehrbench(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", ["ehrbench", *map(str, arguments)])
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def matched(tmp_path: Path) -> Path:
    """The folder that matching the ward's instructions writes."""
    table, records = write_ward(tmp_path)
    assert ehrbench("data", "match", table, "--records", records, "--out", tmp_path / "matched") == 0
    return tmp_path / "matched"


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / REVIEW).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def fill(folder: Path) -> None:
    """Call the record that is about an instruction relevant and answer from it; all others are not relevant."""
    rows = rows_of(folder)
    for row in rows:
        suits = BEST.get(row["instruction_id"]) == row["record_id"]
        row["relevant"], row["answer"] = ("yes", f"From {row['record_id']}.") if suits else ("no", "")
    write_rows(folder / REVIEW, rows)


def test_by_hand_the_best_match_is_the_record_that_the_instruction_is_about(matched: Path) -> None:
    candidates = read_candidates(matched)
    best = {one.instruction: one.record for one in candidates if one.source == MATCHED and one.rank == 1}
    assert {key: best[key] for key in BEST} == BEST
    for key, *_ in INSTRUCTIONS:
        mine = [one for one in candidates if one.instruction == key]
        assert [one.source for one in mine] == [*[MATCHED] * 5, DRAWN]
        assert [one.rank for one in mine[:5]] == [1, 2, 3, 4, 5]
        assert sorted((one.score for one in mine[:5]), reverse=True) == [one.score for one in mine[:5]]


def test_the_sheet_has_each_record_once_and_does_not_say_which_was_drawn(matched: Path) -> None:
    rows, candidates = rows_of(matched), read_candidates(matched)
    pairs = [(row["instruction_id"], row["record_id"]) for row in rows]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == {(one.instruction, one.record) for one in candidates}
    assert set(rows[0]) == {
        "instruction_id", "question", "patient_characteristics", "clinical_context", "record_id", "relevant", "answer"
    }  # fmt: skip
    first = {}
    for instruction, record in pairs:
        first.setdefault(instruction, record)
    assert any(first[key] != BEST[key] for key in BEST), "not in the order of the scores"
    assert {stat.S_IMODE(path.stat().st_mode) for path in matched.iterdir()} == {0o600, 0o700}
    assert (matched / ".gitignore").read_text() == "*\n"


def test_a_filled_sheet_becomes_a_table_and_a_task_that_runs(
    matched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(matched)
    data = tmp_path / "data"
    capsys.readouterr()
    arguments = ("data", "match-review", matched, "--data-out", data, "--records", tmp_path / "records", "--name", "ward")
    assert ehrbench(*arguments, "--json") == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    best, any_of, drawn = said["outcomes"]
    assert (best["k"], best["n"], any_of["k"], any_of["n"], drawn["n"]) == (9, 10, 9, 10, 10)
    assert (said["items"], said["without_relevant_match"], said["without_answer"]) == (9, 1, 0)

    run = ("run", "--model", "baseline:bm25", "--tasks", "ward", "--include-path", data / "tasks", "--data-dir", data)
    assert ehrbench(*run, "--out", tmp_path / "out", "--quiet") == 0
    (result,) = (tmp_path / "out").rglob("result.json")
    assert json.loads(result.read_text())["n_items"] == 9
    assert not any(text in result.read_text() for text in ("chemotherapy", "Epilepsy"))
    assert ehrbench(*arguments) == 2, "data that are there are not written over"


def test_records_of_a_task_are_matched_too(tmp_path: Path) -> None:
    table, _ = write_ward(tmp_path)
    out = tmp_path / "matched"
    assert ehrbench("data", "match", table, "--task", "medalign", "--data-dir", "sample", "--out", out) == 0
    best = read_candidates(out)[0]
    rows = rows_of(out)
    for row in rows:
        if (row["instruction_id"], row["record_id"]) == (best.instruction, best.record):
            row["relevant"], row["answer"] = "yes", "An answer."
    write_rows(out / REVIEW, rows)
    where = ("--task", "medalign", "--data-dir", "sample", "--data-out", tmp_path / "data")
    assert ehrbench("data", "match-review", out, *where) == 0
    (line,) = (tmp_path / "data/own_instructions/items.jsonl").read_text().splitlines()
    item = json.loads(line)
    assert (item["id"], item["answer"]) == (best.instruction, "An answer.")
    assert (tmp_path / "data/own_instructions" / item["record_file"]).stat().st_size > 1000


def test_a_sheet_that_may_be_filled_in_is_kept(matched: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(matched)
    before = (matched / REVIEW).read_bytes()
    arguments = ("data", "match", tmp_path / "instructions.csv", "--records", tmp_path / "records", "--out", matched)
    assert ehrbench(*arguments) == 2
    assert "may hold judgements" in capsys.readouterr().err
    assert (matched / REVIEW).read_bytes() == before


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("instruction_id", "i99", "row 1: its instruction_id and record_id are not a pair that was matched"),
        ("record_id", "999", "row 1: its instruction_id and record_id are not a pair that was matched"),
        ("relevant", "perhaps", "row 1: 'relevant' must be yes, no or empty"),
        ("answer", "Secret.", "row 1: there is an answer, but 'relevant' is not yes"),
    ],
)
def test_a_sheet_that_was_filled_in_wrongly_is_named(matched: Path, column: str, value: str, says: str) -> None:
    rows = rows_of(matched)
    rows[0][column] = value
    write_rows(matched / REVIEW, rows)
    with pytest.raises(UsageError, match=says) as refused:
        read_sheet(matched / REVIEW, read_candidates(matched))
    assert "Secret" not in str(refused.value)


def test_rows_that_are_missing_or_twice_are_named(matched: Path) -> None:
    rows, key = rows_of(matched), read_candidates(matched)
    write_rows(matched / REVIEW, rows[1:])
    with pytest.raises(UsageError, match="1 rows are missing, the first of instruction 'i1'"):
        read_sheet(matched / REVIEW, key)
    write_rows(matched / REVIEW, [rows[0], *rows])
    with pytest.raises(UsageError, match="row 2: instruction 'i1' has the same record in an earlier row"):
        read_sheet(matched / REVIEW, key)


def test_what_is_not_judged_is_not_counted() -> None:
    key = [Candidate(i, r, MATCHED, n, 1.0) for i in "abc" for n, r in enumerate("12", 1)]
    key += [Candidate(i, "3", DRAWN, 1, 0.0) for i in "abc"]
    said = {"a1": True, "a2": None, "a3": False, "b1": False, "b2": None, "b3": True, "c1": False, "c2": False, "c3": None}
    found = outcomes(key, {(i, r): Judgement(said[i + r], "") for i in "abc" for r in "123"})
    assert [(one.k, one.n) for one in found] == [(1, 3), (1, 2), (1, 2)]
    assert found[0][3:] == wilson(1, 3)


def test_the_papers_shares() -> None:
    """240 and 303 of the 407 instructions about patients generally: 59 % and 74 %."""
    key = [Candidate(str(n), "r", MATCHED, 1, 1.0) for n in range(407)]
    for relevant, share in ((240, "59"), (303, "74")):
        judged = {(str(n), "r"): Judgement(n < relevant, "") for n in range(407)}
        best = outcomes(key, judged)[0]
        assert f"{100 * best.k / best.n:.0f}" == share


def test_a_collection_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, records = write_ward(tmp_path)
    assert ehrbench("data", "match", table, "--out", tmp_path / "m") == 2
    assert "either --records FOLDER or --task NAME" in capsys.readouterr().err
    assert ehrbench("data", "match", table, "--out", tmp_path / "m", "--records", tmp_path / "nowhere") == 3
    assert not any(text in capsys.readouterr().err for text in RECORDS.values())
    assert records.is_dir()


def test_records_are_found_in_one_folder_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, records = write_ward(tmp_path)
    release = tmp_path / "release"
    release.mkdir()
    records.rename(release / "ehrs")
    assert ehrbench("data", "match", table, "--out", tmp_path / "m", "--records", release) == 0
    (release / "more").mkdir()
    (release / "more" / "9.txt").write_text("Text.")
    assert ehrbench("data", "match", table, "--out", tmp_path / "n", "--records", release) == 2
    assert "2 of its folders have records (ehrs, more)" in capsys.readouterr().err


def test_records_of_a_meds_data_set(tmp_path: Path) -> None:
    table, _ = write_ward(tmp_path)
    (tmp_path / "extract" / "data").mkdir(parents=True)
    rows = {
        "subject_id": pl.Series([7, 7, 8, 9, 10], dtype=pl.Int64),
        "time": [datetime(2020, 1, 1), datetime(2020, 1, 2), *[datetime(2020, 1, 3)] * 3],
        "code": ["pacemaker", "ward", "epilepsy", "flu", "ward"],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "extract" / "data" / "0.parquet")
    assert ehrbench("data", "match", table, "--out", tmp_path / "m", "--records", tmp_path / "extract") == 0
    best = {one.instruction: one.record for one in read_candidates(tmp_path / "m") if one.source == MATCHED and one.rank == 1}
    assert (best["i6"], best["i2"]) == ("7", "8")
