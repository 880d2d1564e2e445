"""What a run would take is printed, with a total over tasks, and showing a prompt never starts a run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import MissingError
from ehrbench.readers.data_dir import open_dataset
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import write_release
from tests.support.server import Server

NUMBERS = re.compile(r"([\d,]+) prompt tokens, .* at most ([\d,]+) answer tokens; .* about \$([\d.]+)")


def run(out: Path, *more: str) -> str:
    arguments = ["run", "--model", "baseline:empty", "--data-dir", "sample", "--out", str(out), *more]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert not list(out.rglob("manifest.json"))
    return done.stdout


def test_several_tasks_have_a_total(tmp_path: Path) -> None:
    lines = run(tmp_path, "--tasks", "mimic_instr.schema,medalign", "--dry-run", "--limit", "2").splitlines()
    assert len(lines) == 3
    assert all("cost unknown: no price is given" in line for line in lines[:2])
    assert lines[2].startswith("all 2 tasks: 4 items, ")


def test_showing_a_prompt_does_not_start_the_run(tmp_path: Path) -> None:
    item = open_dataset(load_catalog().get("medalign"), "sample").items[0]
    assert item.question in run(tmp_path, "--tasks", "medalign", "--show-prompt", item.id)


def test_a_price_gives_each_task_and_all_of_them_a_cost(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"stub": {"input": 2, "output": 8}}')
    with Server() as server:
        model = ["--model", "openai:stub", "--model-arg", f"base_url={server.url}", "--model-arg", f"prices={prices}"]
        asked = [
            "--tasks",
            "mimic_instr.schema,medalign",
            "--limit",
            "2",
            "--max-model-len",
            "4000",
            "--budget-tokenizer",
            "words",
            "--dry-run",
        ]
        arguments = ["run", *model, *asked, "--data-dir", "sample", "--out", str(tmp_path / "out")]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.exception
        *tasks, total = done.stdout.splitlines()
        assert not server.bodies
    found = [(int(a.replace(",", "")), int(b.replace(",", "")), float(c)) for line in tasks for a, b, c in NUMBERS.findall(line)]
    assert len(found) == 2
    for prompt, answer, cost in found:
        assert cost == pytest.approx((2 * prompt + 8 * answer) / 1e6, abs=0.005)
    assert float(total.rpartition("about $")[2]) == pytest.approx(sum(cost for *_, cost in found), abs=0.011)


def test_a_server_that_does_not_answer_is_not_missing_data(tmp_path: Path) -> None:
    with Server() as server:
        url = server.url
    arguments = ["run", "--model", "openai:m", "--model-arg", f"base_url={url}", "--tasks", "mimic_instr.schema,medalign"]
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--data-dir", "sample", "--out", str(tmp_path)])
    assert isinstance(result.exception, MissingError)
    assert str(result.exception).startswith(f"no server answers at {url}")


def test_a_damaged_record_is_not_one_that_does_not_fit(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=2, questions=2, entries=3)
    (data / "medalign" / "ehrs" / "700000001.xml").write_text("<eventstream>")
    arguments = ["run", "--model", "baseline:bm25", "--tasks", "medalign", "--dry-run", "--data-dir", str(data)]
    said = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")]).stdout
    assert "0 items do not fit, 2 have a record that cannot be read" in said
