"""``ehrbench tasks list|show|validate``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ehrbench.cli.completion import complete_task, complete_tasks
from ehrbench.cli.tasks import app
from ehrbench.errors import UsageError
from ehrbench.tasks.yaml_file import read_yaml

TASKS = """\
defaults:
  version: 1
  data: {reader: jsonl, path: mine, policy: open}
  prompt: {user: "{{ question }}"}
  metrics: [exact_match]
  primary: exact_match
tasks:
  - {task: mine.one, title: One, expected_items: 7}
  - task: mine.two
    protocol: {paper: {generation: {max_tokens: 9}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "mine.yaml").write_text(TASKS)
    return tmp_path / "t"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_list(folder: Path) -> None:
    done = call("list", "--include-path", "t", "--group", "mine")
    assert done.exit_code == 0
    header, _, one, two = done.stdout.splitlines()
    assert header.split() == ["task", "title", "groups", "policy", "n", "primary"]
    assert one.split() == ["mine.one", "One", "mine", "open", "7", "exact_match"]
    assert two.split() == ["mine.two", "mine", "open", "exact_match"]


def test_list_of_everything_and_of_a_protocol(folder: Path) -> None:
    def names(*arguments: str) -> list[str]:
        return [row["task"] for row in json.loads(call("list", "--json", "--include-path", "t", *arguments).stdout)]

    assert {"medalign", "mine.one", "mine.two"} <= set(names())
    assert names("mine.*") == ["mine.one", "mine.two"]
    assert names("mine", "--protocol", "paper") == ["mine.two"]


def test_list_of_an_unknown_group(folder: Path) -> None:
    done = call("list", "--include-path", "t", "--group", "mind")
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "unknown group 'mind' (did you mean 'mine'?)"


def test_show_says_where_each_value_is_from(folder: Path) -> None:
    done = call("show", "mine.two", "--protocol", "paper", "--include-path", "t")
    lines = done.stdout.splitlines()
    assert "task: mine.two  # t/mine.yaml:9" in lines
    assert "  reader: jsonl  # t/mine.yaml:3" in lines
    assert "  max_tokens: 9  # t/mine.yaml:10" in lines
    assert "language: en  # default" in lines


def test_what_show_prints_is_a_task_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shown.yaml").write_text(call("show", "medalign").stdout)
    shown = read_yaml(tmp_path / "shown.yaml").value
    assert shown == json.loads(call("show", "medalign", "--json").stdout)["task"]


def test_show_as_json(folder: Path) -> None:
    shown = json.loads(call("show", "mine.one", "--include-path", "t", "--json").stdout)
    assert shown["task"]["expected_items"] == 7
    assert shown["origin"]["data.policy"] == "t/mine.yaml:3"
    assert shown["origin"]["metrics[0]"] == "t/mine.yaml:5"


def test_show_of_an_unknown_task_or_protocol(folder: Path) -> None:
    assert str(call("show", "medaling").exception) == "unknown task 'medaling' (did you mean 'medalign'?)"
    assert str(call("show", "medalign", "--protocol", "papre").exception) == "unknown protocol 'papre' (did you mean 'paper'?)"


def test_validate_of_what_is_shipped(folder: Path) -> None:
    done = call("validate")
    assert done.exit_code == 0, done.output
    assert done.stdout.endswith("no problems\n")


def test_validate_tells_all_problems_of_all_files(folder: Path) -> None:
    (folder / "mine.yaml").write_text(TASKS.replace("title: One", "titel: One").replace("max_tokens", "max_gen_tokens"))
    (folder / "broken.yaml").write_text("task: [\n")
    done = call("validate", "--include-path", "t")
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "t/broken.yaml:2: not valid YAML: did not find expected node content",
        "t/mine.yaml:8: unknown key 'titel' (did you mean 'title' or 'cite'?)",
        "t/mine.yaml:10: unknown key 'max_gen_tokens' (did you mean 'max_tokens' or 'max_reasoning_tokens'?) in 'generation'",
    ]


def test_validate_of_a_file(folder: Path) -> None:
    (folder / "broken.yaml").write_text("task: [\n")
    done = call("validate", "t/mine.yaml", "--json")
    assert (done.exit_code, json.loads(done.stdout)["checked"]) == (0, ["mine.one", "mine.two"])
    done = call("validate", "t/broken.yaml")
    assert (done.exit_code, done.stdout) == (2, "0 tasks checked, 1 problem\n")
    done = call("validate", "t/nowhere.yaml")
    assert "t/nowhere.yaml" in str(done.exception)


def test_validate_of_a_name(folder: Path) -> None:
    done = call("validate", "mine.one", "medal*", "--include-path", "t", "--json")
    assert json.loads(done.stdout)["checked"] == ["mine.one", "medalign"]
    assert "unknown task or group 'mine.tow'" in str(call("validate", "mine.tow", "--include-path", "t").exception)


def test_a_shell_completes_task_names() -> None:
    asked = {"_EHRBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "ehrbench tasks show meda", "COMP_CWORD": "3"}
    code = "from ehrbench.cli import app; app(prog_name='ehrbench')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked})
    assert done.stdout.split() == ["medalign"]


def test_completion() -> None:
    assert "medalign" in complete_task("med")
    assert complete_task("zz") == []
    assert "x,medalign" in complete_tasks("x,med")


CANARY = "CANARY the patient's own words"


def write_items(data: Path, *rows: dict[str, object]) -> None:
    (data / "mine").mkdir(parents=True)
    (data / "mine" / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_validate_renders_the_first_items(folder: Path, tmp_path: Path) -> None:
    write_items(tmp_path / "d", *({"id": str(i), "question": CANARY + "x" * i, "answer": CANARY} for i in range(5)))
    done = call("validate", "mine.two", "--include-path", "t", "--data-dir", "d")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "mine.two (clean): 3 of 5 items rendered, prompts of 30 to 32 characters",
        "mine.two (paper): 3 of 5 items rendered, prompts of 30 to 32 characters",
        "1 task checked, no problems",
    ]


def test_validate_without_the_data(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    done = call("validate", "mine.one", "--include-path", "t", "--data-dir", "d")
    assert done.exit_code == 0
    assert done.stdout.startswith("mine.one (clean): no item rendered: the data of reader 'jsonl' are not in d;")


@pytest.mark.parametrize(
    ("row", "prompt", "message"),
    [
        ({"id": "a", "answer": CANARY}, "{{ question }}", "mine/items.jsonl:1: no 'question'"),
        (
            {"id": "a", "question": CANARY},
            "{{ question }} {{ hint }}",
            "prompt.user, template line 1: cannot be rendered for this item",
        ),
        (
            {"id": "a", "question": CANARY},
            "{{ question + 1 }}",
            "prompt.user, template line 1: cannot be rendered for this item (Type",
        ),
    ],
)
def test_validate_of_data_that_does_not_fit(
    folder: Path, tmp_path: Path, row: dict[str, object], prompt: str, message: str
) -> None:
    text = TASKS.replace("{{ question }}", prompt).replace("policy: open", "policy: open, slots: [hint]")
    (folder / "mine.yaml").write_text(text)
    write_items(tmp_path / "d", row)
    done = call("validate", "mine.one", "--include-path", "t", "--data-dir", "d")
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("t/mine.yaml:8: mine.one (clean): ")
    assert message in line
    assert "CANARY" not in done.output


def test_validate_of_an_empty_release_and_of_missing_records(folder: Path, tmp_path: Path) -> None:
    write_items(tmp_path / "d")
    done = call("validate", "mine.one", "--include-path", "t", "--data-dir", "d")
    assert done.exit_code == 2
    text = TASKS.replace("{{ question }}", "{{ record }} {{ question }}").replace("version: 1", "version: 1\n  record: {}")
    (folder / "mine.yaml").write_text(text)
    (tmp_path / "d" / "mine" / "items.jsonl").write_text('{"id": "a", "question": "Q?", "answer": "A"}\n')
    done = call("validate", "mine.one", "--include-path", "t", "--data-dir", "d")
    assert "item a: the task has 'record:', but the item has no record" in done.stderr
