"""A task of one's own whose items are numbers: a task file and its data."""

from __future__ import annotations

import json
from pathlib import Path

TASK = """
task: ward
version: 1
data: {reader: jsonl, path: ward, policy: open}
prompt: {user: "{{ question }}"}
metrics: [exact_match]
primary: exact_match
"""


def write_ward(folder: Path, n: int, gold: str) -> tuple[Path, Path]:
    """Write ``n`` items whose question is their number and whose gold is ``gold``; the folders of the tasks and of the data."""
    tasks, data = folder / "tasks", folder / "data"
    tasks.mkdir()
    (tasks / "ward.yaml").write_text(TASK)
    (data / "ward").mkdir(parents=True)
    items = (json.dumps({"id": str(i), "question": str(i), "answer": gold}) + "\n" for i in range(n))
    (data / "ward" / "items.jsonl").write_text("".join(items))
    return tasks, data
