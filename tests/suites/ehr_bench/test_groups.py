"""The averages by table of origin: each list task stands in one of them, beside the other tasks of its table."""

from __future__ import annotations

from collections import Counter

from ehrbench.results.groups import load_groups
from ehrbench.suites.ehr_bench.build.layout import SOURCES
from ehrbench.suites.ehr_bench.build.rows import TASKS

PREFIX = "ehr_bench.decision."


def test_the_profile_by_table_of_origin_has_each_list_task_once() -> None:
    suite = load_groups("ehr_bench")
    assert suite is not None
    profile = {one.group: one.tasks for one in suite.groups if one.group.startswith(f"{PREFIX}from_")}
    placed = {str(task).removeprefix(PREFIX): group for group, tasks in profile.items() for task in tasks}
    assert set(Counter(task for tasks in profile.values() for task in map(str, tasks)).values()) == {1}
    assert set(placed) == set(TASKS["decision_making"]) - {"next_event"}
    for source in SOURCES.values():
        assert len({placed[task] for task, _ in source.tasks}) <= 1, source.name
    assert not any(one.column for one in suite.groups if one.group in profile)
