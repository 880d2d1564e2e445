"""Tasks as Croissant metadata: validated by its owners' own package, without items, records or paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.chart import ehrbench

TASKS = "medalign,meds_bench.mcqa.medqa,ehr_bench.decision.labevents"


def write(out: Path, *more: object, tasks: str = TASKS) -> dict[str, dict[str, object]]:
    done = ehrbench("tasks", "croissant", tasks, "--out", out, *more)
    assert done.returncode == 0, done.stderr
    return {path.stem: json.loads(path.read_text()) for path in sorted(out.iterdir())}


def test_what_is_known_of_a_task(tmp_path: Path) -> None:
    found = write(tmp_path / "out")
    assert set(found) == set(TASKS.split(","))
    medalign = found["medalign"]
    assert medalign["url"] == "https://redivis.com/datasets/48nr-frxd97exb" and medalign["isAccessibleForFree"] is False
    assert medalign["license"] == "research only; no redistribution, no use in training" and medalign["distribution"] == []
    again = ehrbench("tasks", "croissant", TASKS, "--out", tmp_path / "out")
    assert again.returncode == 2 and "is there already" in again.stderr


def test_files_of_open_tasks_alone_are_told(tmp_path: Path) -> None:
    found = write(tmp_path / "out", "--data-dir", "sample")
    assert [len(one["distribution"]) for one in found.values()] == [0, 0, 1]  # type: ignore[arg-type]
    text = json.dumps(found)
    assert "sha256" in text and str(Path.home()) not in text and "/medqa" not in text


@pytest.mark.inspect
def test_mlcroissant_validates_them(tmp_path: Path) -> None:
    import mlcroissant

    write(tmp_path / "out", "--data-dir", "sample")
    for path in (tmp_path / "out").iterdir():
        data = mlcroissant.Dataset(str(path))
        assert not data.metadata.ctx.issues.errors
        assert data.metadata.name == path.stem
