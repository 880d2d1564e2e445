from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ehrbench.cli import app
from ehrbench.metrics import METRICS, Scorable
from ehrbench.readers.data_dir import open_dataset
from ehrbench.tasks.catalog import load_catalog


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.demo_data
def test_prepare_then_every_metric_gives_the_gold_full_marks(shared_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "mimic_instr"
    source = str(shared_dir / "data" / "mimic-iv-demo")
    done = command("data", "prepare", "mimic_instr", "--mimic", source, "--seed", "1", "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["admissions"], told["patients"], told["questions"], told["open_data"]) == (119, 95, 714, True)

    task = load_catalog().get("mimic_instr.schema")
    everything = task.model_copy(update={"data": task.data.model_copy(update={"options": {"split": "all"}})})
    data = open_dataset(everything, str(tmp_path))
    assert len(data.items) == 714
    assert len(open_dataset(task, str(tmp_path)).items) == 10
    golds = [Scorable(i.id, i.references[0], i.references, question=i.question, meta=i.meta) for i in data.items]
    others = [
        Scorable(i.id, j.references[0], i.references, question=i.question, meta=i.meta)
        for i, j in zip(data.items, [*data.items[120:], *data.items[:120]], strict=True)
    ]
    for name in task.metrics:
        score = METRICS.get(name).score
        assert all(s == (1.0,) for s in score(golds)), name
        assert sum(s[0] for s in score(others) if s) / 714 < 0.3, name


@pytest.mark.demo_data
def test_all_questions_of_one_admission(shared_dir: Path, tmp_path: Path) -> None:
    source = str(shared_dir / "data" / "mimic-iv-demo")
    arguments = ["data", "prepare", "mimic_instr", "--mimic", source, "--out", str(tmp_path), "--all", "--hadm-id", "29279905"]
    done = command(*arguments)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "qa_all.jsonl").read_text().splitlines()]
    words = "What was the maximum Blood Immunoglobulin M Chemistry measurement during the first 12 hours?"
    assert [(r["a"], r["template"]) for r in rows if r["q"] == words] == [("178.0 mg/dL", "labevents.maximum")]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    for arguments, message in [
        (["--mimic", str(tmp_path / "x"), "--out", str(tmp_path / "o")], "is not a folder"),
        (["--mimic", str(tmp_path), "--out", str(tmp_path / "o")], "no table 'icustays'"),
        (["--mimic", str(tmp_path), "--hadm-id", "3"], "--hadm-id restricts --all"),
    ]:
        done = command("data", "prepare", "mimic_instr", *arguments)
        assert message in str(done.exception)
        assert not (tmp_path / "o").exists()
