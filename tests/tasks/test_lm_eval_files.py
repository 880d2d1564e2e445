"""lm-eval's task files in a folder of ours: told apart, left to the bridge, and named when they are asked for as ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.task_file import is_lm_eval_file

OURS = """task: mine
version: 1
data: {reader: jsonl, path: mine, policy: open}
prompt: {user: "{{ question }}"}
metrics: [exact_match]
primary: exact_match
"""


@pytest.mark.parametrize(
    "text",
    [
        "task: a\ndataset_path: json\n",
        'task: a\n"dataset_name": x\n',
        "group: g\ntask:\n  - a\n  - b\n",
        "group: g\ntask: # members\n\n  # the first\n- a\n",
        "group: g\ntask: [a, b]\n",
        "group: g\ntask: [a,\n  b]\nmetadata: {version: 1}\n",
        "group: g\ntask:\n  - task: a\n    task_alias: A\n",
        "task: a\ninclude: base.yaml\ndescription: Answer.\n",
        "task: a\ninclude: further.yaml # which includes base.yaml\n",
        "include: [base.yaml]\ntask: a\n",
        "tag: t\ntask: a\n",
    ],
)
def test_theirs(text: str, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("task: base\noutput_type: generate_until\n")
    (tmp_path / "further.yaml").write_text("include: base.yaml\ntask: further\n")
    path = tmp_path / "file.yaml"
    path.write_text(text)
    assert is_lm_eval_file(path)
    (tmp_path / "mine.yaml").write_text(OURS)
    assert "mine" in load_catalog([tmp_path]).names()


@pytest.mark.parametrize(
    "text",
    [
        OURS,
        OURS + "num_fewshot: 3\n",
        "tasks:\n  - task: a\n",
        "include: _shared.yaml\ntask: a\n",
        "task: [a\nb: c\n",
        "task:\nversion: 1\n",
    ],
)
def test_ours_mistakes_included(text: str, tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text("version: 1\n")
    path = tmp_path / "file.yaml"
    path.write_text(text)
    assert not is_lm_eval_file(path)


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("include: a.yaml\ntask: a\n")
    assert not is_lm_eval_file(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["their_group", "their_task", "their_tag"])
def test_a_name_of_theirs_says_how_to_ask_for_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "group.yaml").write_text("group: their_group\ntask:\n  - their_task\n")
    (tmp_path / "task.yaml").write_text('task: their_task\ntag: "their_tag"\noutput_type: generate_until\n')
    with pytest.raises(UsageError, match=rf"'{name}' is lm-eval's \(.*\.yaml\): ask for it as lm_eval:{name}$"):
        load_catalog([tmp_path]).select(name)
