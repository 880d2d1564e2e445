"""Runs of chosen items: from ids or a file, partial, scored and verified like any other; their ids stay private."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench import UsageError, evaluate
from ehrbench.cli import app
from ehrbench.readers.data_dir import open_dataset
from ehrbench.runs.events import TaskLeftOut
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.samples import parse_samples
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.verify import verify_run
from ehrbench.tasks.catalog import load_catalog
from ehrbench.workbench.view.runs import find_sets
from tests.acceptance.chart import rows

IDS = [item.id for item in open_dataset(load_catalog().get("medalign"), "sample").items]
CHOSEN = [IDS[7], IDS[2], IDS[11]]


def run(*more: str) -> Any:
    return CliRunner().invoke(app, ["run", "--model", "baseline:bm25", "--data-dir", "sample", "--quiet", *more])


def chosen(out: Path, samples: Any, **more: Any) -> Any:
    return evaluate("baseline:bm25", "medalign", data_dir="sample", metrics=["rouge_l"], out=out, samples=samples, **more)


def test_a_run_of_chosen_items_is_partial_and_its_answers_are_those_of_the_whole_run(tmp_path: Path) -> None:
    some = chosen(tmp_path, CHOSEN)
    assert some[0].partial and some[0].n_items == 3
    found = rows(some.folders()[0] / "private" / "predictions.jsonl")
    assert [row["item"] for row in found] == [IDS[2], IDS[7], IDS[11]], "in the data's order"
    whole = evaluate("baseline:bm25", "medalign", data_dir="sample", metrics=["rouge_l"], out=tmp_path)
    assert whole.folders()[0] != some.folders()[0]
    answers = {row["item"]: row["answer"] for row in rows(whole.folders()[0] / "private" / "predictions.jsonl")}
    assert [row["answer"] for row in found] == [answers[row["item"]] for row in found]


def test_the_order_and_form_of_the_ids_make_no_other_run(tmp_path: Path) -> None:
    forms = {
        "ids.txt": "\n".join([*CHOSEN, "", CHOSEN[0]]),
        "ids.csv": "task,item\n" + "".join(f"medalign,{one}\n" for one in CHOSEN),
        "ids.tsv": "item_id\tnote\n" + "".join(f"{one}\tx\n" for one in CHOSEN),
        "ids.jsonl": "".join(json.dumps({"item": one}) + "\n" for one in CHOSEN),
        "ids.json": json.dumps([{"item": one, "question": "?"} for one in reversed(CHOSEN)]),
    }
    folders = {chosen(tmp_path / "out", samples).folders()[0] for samples in (CHOSEN, CHOSEN[::-1], ",".join(CHOSEN))}
    for name, text in forms.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        folders |= {chosen(tmp_path / "out", str(tmp_path / name)).folders()[0]}
    assert len(folders) == 1


def test_what_inspect_prints_is_taken(tmp_path: Path) -> None:
    folder = chosen(tmp_path / "out", CHOSEN).folders()[0]
    shown = CliRunner().invoke(app, ["inspect", str(folder), "--json"]).stdout
    (tmp_path / "items.json").write_text(shown, encoding="utf-8")
    assert sorted(parse_samples(str(tmp_path / "items.json"))) == sorted(CHOSEN)


def test_it_is_verified_scored_and_viewed_as_any_run(tmp_path: Path) -> None:
    folder = chosen(tmp_path, CHOSEN).folders()[0]
    assert verify_run(load_run(RunFolder(folder))) == []
    (runs,) = find_sets([tmp_path], None)
    assert sorted(item.id for item in runs.items) == sorted(CHOSEN)
    (folder / "private" / "origin.json").write_text('{"data_dir": "sample"}')
    with pytest.raises(UsageError, match="does not hold the 3 ids that this run was made of"):
        load_run(RunFolder(folder))
    chosen(tmp_path, CHOSEN)
    assert verify_run(load_run(RunFolder(folder))) == []


def test_no_public_file_holds_an_id(tmp_path: Path) -> None:
    assert (
        run("--tasks", "medalign", "--samples", ",".join(CHOSEN), "--out", str(tmp_path), "--metrics", "rouge_l").exit_code == 0
    )
    (result,) = tmp_path.rglob("result.json")
    for path in (result, result.parent / "manifest.json"):
        assert not any(one in path.read_text(encoding="utf-8") for one in CHOSEN)


def test_shards_and_a_limit_part_the_chosen_items(tmp_path: Path) -> None:
    assert chosen(tmp_path, CHOSEN, limit=2)[0].n_items == 2
    for part in ("1/2", "2/2"):
        done = run("--tasks", "medalign", "--samples", ",".join(CHOSEN), "--shard", part, "--out", str(tmp_path / "shards"))
        assert done.exit_code == 0, done.output
    merged = CliRunner().invoke(app, ["merge", str(tmp_path / "shards"), "--metrics", "rouge_l", "--json"])
    assert merged.exit_code == 0, merged.output
    whole = chosen(tmp_path, CHOSEN)[0]
    assert json.loads(merged.stdout)[0]["config_hash"] == whole.config_hash


def test_of_several_tasks_those_without_a_chosen_item_are_left_out(tmp_path: Path) -> None:
    other = open_dataset(load_catalog().get("mimic_instr.schema"), "sample").items[1].id
    events: list[Any] = []
    found = evaluate(
        "baseline:bm25",
        ["medalign", "mimic_instr.schema"],
        data_dir="sample",
        out=tmp_path,
        samples=[f"medalign/{IDS[0]}"],
        on_event=events.append,
    )
    assert [result.task for result in found] == ["medalign"]
    assert [event.task for event in events if isinstance(event, TaskLeftOut)] == ["mimic_instr.schema"]
    assert {
        one.task
        for one in evaluate(
            "baseline:bm25", ["medalign", "mimic_instr.schema"], data_dir="sample", out=tmp_path, samples=[IDS[0], other]
        )
    } == {"medalign", "mimic_instr.schema"}


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (
            IDS[0] + "x",
            f"--samples: task 'medalign' has no item '{IDS[0]}x' (did you mean '{IDS[0]}'?), nor is there such a file; ",
        ),
        (f"{IDS[0]},nope,no", "--samples: task 'medalign' has no item 'nope' and 1 others; `ehrbench tasks items TASK` lists"),
        (",", "--samples ',' names no item"),
    ],
)
def test_an_unknown_id_is_named_before_anything_is_written(tmp_path: Path, samples: str, expected: str) -> None:
    done = run("--tasks", "medalign", "--out", str(tmp_path / "out"), "--samples", samples)
    assert isinstance(done.exception, UsageError) and expected in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "name\nx\n", "a.csv:2: no id of an item; expected a column item, item_id, id or instruction_id"),
        ("a.jsonl", '{"item": "1"}\n{not json\n', "a.jsonl:2: not JSON; expected an id"),
        ("a.json", '{"item": "1"}', "a.json: expected a list of ids"),
        ("a.txt", "\n\n", "a.txt' names no item"),
    ],
)
def test_a_faulty_file_of_ids_is_named_with_its_line(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        parse_samples(str(tmp_path / name))
    assert expected in str(caught.value)


def test_ids_are_listed_without_any_text(tmp_path: Path) -> None:
    listed = CliRunner().invoke(app, ["tasks", "items", "medalign", "--data-dir", "sample"]).stdout
    assert listed.splitlines() == IDS
    (tmp_path / "ids.txt").write_text(listed)
    assert parse_samples(str(tmp_path / "ids.txt")) == tuple(IDS)
    several = CliRunner().invoke(app, ["tasks", "items", "medalign,mimic_instr.schema", "--data-dir", "sample"]).stdout
    assert several.splitlines()[0] == f"medalign/{IDS[0]}"
    as_json = json.loads(CliRunner().invoke(app, ["tasks", "items", "medalign", "--data-dir", "sample", "--json"]).stdout)
    assert as_json[0] == {"task": "medalign", "item": IDS[0]}


def test_a_run_of_chosen_items_is_never_ranked(tmp_path: Path) -> None:
    patients = {item.id: item.group for item in open_dataset(load_catalog().get("medalign"), "sample").items}
    some = [one for one in IDS if patients[one] != patients[IDS[0]]]  # an interval, as a ranked number has one
    for model in ("baseline:bm25", "baseline:newest"):
        evaluate(model, "medalign", data_dir="sample", metrics=["rouge_l"], out=tmp_path / "out")
        evaluate(model, "medalign", data_dir="sample", metrics=["rouge_l"], out=tmp_path / "out", samples=some)
    built = CliRunner().invoke(app, ["leaderboard", "build", str(tmp_path / "out"), "--out", str(tmp_path / "site")])
    assert built.exit_code == 0, built.output
    table = tmp_path / "site" / "data" / "tasks-medalign--synthetic_clean_truncate-end.csv"
    with table.open(encoding="utf-8", newline="") as lines:
        cells = [row for row in csv.DictReader(lines) if row["metric"] == "rouge_l" and row["kind"] == "run"]
    assert {row["n_items"] for row in cells} >= {str(len(IDS))}
    for row in cells:
        assert bool(row["rank_best"]) == (row["n_items"] == str(len(IDS))), row
