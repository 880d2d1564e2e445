"""A full run beside two limited ones on a built site: who asked less is marked, and neither takes a rank nor costs one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import ehrbench
from ehrbench.leaderboard.build import build
from tests.leaderboard.reader import Reader
from tests.support.ward import write_ward

pytestmark = pytest.mark.browser

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
    tasks, data = write_ward(folder, FULL, "yes")
    for name, (share, limit) in RUNS.items():
        places = {"data_dir": data, "include_paths": [tasks], "out": folder / "out"}
        ehrbench.evaluate(right_in(share, name), "ward", limit=limit, **places)
    assert build([folder / "out"], folder / "site").problems == []
    return folder / "site"


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
