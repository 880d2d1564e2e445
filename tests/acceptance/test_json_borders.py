"""A line of JSON that is nested 200,000 deep, or holds a number of 5,000 digits, costs its own line wherever JSON is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.jsonl import parse, read_rows
from ehrbench.models.arguments import Arguments
from ehrbench.models.offline.replay import read_answers
from ehrbench.models.server.batch_file import read_replies
from ehrbench.models.server.prices import read_prices
from ehrbench.readers import jsonl
from ehrbench.readers.subject_questions import read_asked as read_meds
from ehrbench.results.store import load_json
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.suites.ehr_bench.jsonl import read_jsonl
from ehrbench.suites.ehr_bench.options import Options
from ehrbench.suites.meds_bench.reader import _parse as read_meds_bench
from ehrbench.suites.mimic_instr.reader import jsonl_rows

DEEP = '{"a": ' + "[" * 200_000 + "]" * 200_000 + "}"
LONG = '{"a": ' + "9" * 5000 + "}"


@pytest.fixture(params=[DEEP, LONG], ids=["deep", "long"])
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text(request.param + "\n" + '{"id": "x", "question": "q", "item": "x", "answer": "a"}\n')
    return path


def test_parse_says_why() -> None:
    with pytest.raises(json.JSONDecodeError, match="nested too deeply"):
        parse(DEEP)
    with pytest.raises(json.JSONDecodeError, match="too many digits"):
        parse(LONG)
    with pytest.raises(json.JSONDecodeError, match="Expecting property name"):
        parse("{]")
    with pytest.raises(UnicodeDecodeError):
        parse(b'"\xff"')
    assert parse('{"a": 1e400}') == {"a": float("inf")}


@pytest.mark.parametrize(
    "read",
    [
        lambda path: list(read_rows(path)),
        lambda path: read_answers(path, None),
        lambda path: jsonl.read(path.parent, {}),
        lambda path: list(read_meds(path)),
        lambda path: list(jsonl_rows(path)),
        lambda path: read_meds_bench(path),
        lambda path: read_prices(str(path), "m"),
        lambda path: load_json(path),
        lambda path: Arguments("b", {"extra": path.read_text().splitlines()[0]}, {"extra": ""}).json_object("extra"),
        lambda path: read_manifest(RunFolder(path.rename(path.with_name("manifest.json")).parent)),
    ],
    ids=["rows", "replay", "jsonl", "meds", "mimic_instr", "meds_bench", "prices", "result", "argument", "manifest"],
)
def test_readers_refuse_the_line(read: Callable[[Path], object], damaged: Path) -> None:
    with pytest.raises(UsageError):
        read(damaged)


def test_a_row_of_ehr_bench(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for line in (DEEP, LONG):
        path.write_text(line.replace('"a"', '"task": "T", "a"') + "\n")
        with pytest.raises(UsageError):
            read_jsonl(tmp_path, path, Options(task="T", type="decision_making"))


def test_a_line_of_a_batch_costs_that_line(damaged: Path) -> None:
    reply = {"custom_id": "c", "response": {"status_code": 200, "body": {"choices": []}}}
    damaged.write_text(damaged.read_text() + json.dumps(reply) + "\n")
    replies = read_replies(damaged)
    assert (list(replies.rows), [place.line for place in replies.unreadable]) == (["c"], [1, 2])


def test_a_probability_of_400_digits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"item": "x", "answer": "a", "probability": ' + "9" * 400 + "}\n")
    with pytest.raises(UsageError, match="expected a probability"):
        read_answers(path, None)
