"""The ring of tasks: a sector for each task and category, of the angles that their numbers ask for."""

from __future__ import annotations

import math
import re
from pathlib import Path

from ehrbench.leaderboard.ring import ring
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import ehrbench


def test_a_sector_for_each_task_and_category(tmp_path: Path) -> None:
    finished = ehrbench("tasks", "ring", "meds_bench", "--out", tmp_path / "ring.svg")
    assert finished.returncode == 0, finished.stderr
    picture = (tmp_path / "ring.svg").read_text()
    tasks = load_catalog().select("meds_bench")
    categories = {task.facts["category"] for task in tasks}
    assert picture.count("<path") == len(tasks) + len(categories)
    assert f"MedS-Bench: {len(tasks)} tasks, {len(categories)} categories" in picture
    assert all(f">{category}</text>" in picture for category in categories)


def test_sectors_meet_and_fill_the_circle() -> None:
    picture = ring("X", {"a": ["one", "two", "three"], "b": ["<four>"]})
    ends = re.findall(r"d=\"M(\S+) (\S+)A\S+ \S+ 0 (\d) 1 (\S+) (\S+)L", picture)
    angles = [[math.atan2(float(x), -float(y)) % (2 * math.pi) for x, y in ((a, b), (c, d))] for a, b, _, c, d in ends]
    outer = [pair for k, pair in enumerate(angles) if k not in (0, 4)]  # each category comes before its tasks
    assert [round(math.degrees(start)) for start, _ in outer] == [0, 90, 180, 270]
    assert [round(math.degrees(end)) % 360 for _, end in outer] == [90, 180, 270, 0]
    assert [wide for _, _, wide, _, _ in ends][0] == "1", "three of four: more than half a circle"
    assert "&lt;four&gt;" in picture
    alone = ring("X", {"a": ["one"]})
    assert alone.count("<path") == 2 and "NaN" not in alone
