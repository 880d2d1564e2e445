"""A full run beside two limited ones on a built site: who asked less is marked, and neither takes a rank nor costs one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ehrbench
from ehrbench.leaderboard.build import build
from tests.leaderboard.test_browser import Reader

pytestmark = pytest.mark.browser

TASK = """
task: ward
version: 1
data: {reader: jsonl, path: ward, policy: open}
prompt: {user: "{{ question }}"}
metrics: [exact_match]
primary: exact_match
"""
FULL, LIMITED = 83, 30


def right_in(share: int, name: str) -> Callable[[str], str]:
    """A model that answers all but every ``share``-th item rightly."""

    def model(prompt: str) -> str:
        return "yes" if int(prompt) % share else "no"

    model.__name__ = name
    return model


RUNS = {"whole": (3, None), "weaker": (1, None), "first-part": (6, LIMITED), "second-part": (10, LIMITED)}
"""Of each model, which items it gets wrong and how many it is asked; those asked least would come first among equals."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("partial")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "ward.yaml").write_text(TASK)
    (folder / "data" / "ward").mkdir(parents=True)
    items = [json.dumps({"id": str(i), "question": str(i), "answer": "yes"}) + "\n" for i in range(FULL)]
    (folder / "data" / "ward" / "items.jsonl").write_text("".join(items))
    for name, (share, limit) in RUNS.items():
        model, places = right_in(share, name), {"data_dir": folder / "data", "include_paths": [folder / "tasks"]}
        ehrbench.evaluate(model, "ward", limit=limit, out=folder / "out", **places)
    assert build([folder / "out"], folder / "site").problems == []
    return folder / "site"


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    one = Reader(browser)
    yield one
    one.context.close()


def test_limited_runs_are_marked_and_the_full_one_keeps_its_rank(site: Path, reader: Reader) -> None:
    for page in ("tasks/ward.html", "suites/ward.html"):
        rows = reader.open(site / page).eval_on_selector_all(
            "table tbody tr",
            """rows => rows.filter(row => row.querySelector('td b')).map(row => ({
                model: row.cells[0].querySelector('a').textContent.trim(),
                rank: row.querySelector('td i')?.textContent ?? '',
                partial: [...row.querySelectorAll('.mark')].filter(m => m.checkVisibility()).map(m => m.textContent),
                n: row.textContent.match(/n (\\d+)/)[1],
            }))""",
        )
        found = {row.pop("model"): row for row in rows}
        assert found == {
            "whole": {"rank": "#1", "partial": [], "n": "83"},
            "weaker": {"rank": "#2", "partial": [], "n": "83"},
            "first-part": {"rank": "", "partial": ["partial"], "n": "30"},
            "second-part": {"rank": "", "partial": ["partial"], "n": "30"},
        }, page
    assert reader.wrong == []
