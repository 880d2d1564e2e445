"""What the shipped tasks say of themselves: a title, a sentence or two, and whom to cite."""

from __future__ import annotations

from collections import Counter

import pytest

from ehrbench.leaderboard.names import Names
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import Protocol

CATALOG = load_catalog([])
NAMES = Names()


@pytest.mark.parametrize("name", sorted(CATALOG.raw))
def test_every_shipped_task_says_what_it_asks_and_where_it_is_from(name: str) -> None:
    task = CATALOG.get(name)
    assert task.title
    assert 40 <= len(task.description) <= 400, "one or two sentences, which the leaderboard shows whole"
    assert task.description.endswith(".")
    assert len(task.cite) >= 40 and len(task.cite) <= 400
    assert task.cite_data or name == "medalign", "the suite's own paper is the data's there"
    shown = NAMES.task(name)
    assert (shown.description, shown.cite, shown.cite_data) == (task.description, task.cite, task.cite_data)


def test_no_two_tasks_are_described_alike() -> None:
    tasks = CATALOG.tasks()
    for part in ("title", "description"):
        counts = Counter(getattr(task, part) for task in tasks)
        assert [text for text, times in counts.items() if times > 1] == []


@pytest.mark.parametrize("protocol", ["clean", "paper"])
def test_what_is_said_of_a_task_does_not_name_its_runs(protocol: Protocol) -> None:
    task = CATALOG.get("medalign", protocol)
    said = {"title": "t", "description": "d", "cite": "c", "cite_data": "d"}
    assert task.model_copy(update=said).digest() == task.digest()
    assert task.model_copy(update={"version": 99}).digest() != task.digest()
