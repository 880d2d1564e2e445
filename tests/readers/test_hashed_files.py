"""Every file that a reader reads decides the prompts, so every one of them is in the manifest's hash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ehrbench.readers import Dataset
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.meds.reader import read as read_meds
from ehrbench.tasks.catalog import load_catalog
from tests.readers.test_meds import NOON, shard

_watched: list[set[Path]] = []


def _on_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watched and isinstance(arguments[0], (str, bytes, Path)) and arguments[1] and "r" in arguments[1]:
        _watched[-1].add(Path(str(arguments[0])).resolve())


sys.addaudithook(_on_open)


@contextmanager
def files_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Path]]:
    """The files below a folder that are opened meanwhile, by Python or by polars."""
    found: set[Path] = set()

    def watched(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(source: Any, *args: Any, **options: Any) -> Any:
            sources = source if isinstance(source, (list, tuple)) else [source]
            found.update(Path(one).resolve() for one in sources if isinstance(one, (str, Path)))
            return function(source, *args, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("read_parquet", "scan_parquet", "read_parquet_schema", "read_csv", "scan_csv", "read_ipc", "scan_ndjson"):
            patch.setattr(pl, name, watched(getattr(pl, name)))
        _watched.append(found)
        try:
            yield found
        finally:
            _watched.pop()
            below = {path for path in found if path.is_relative_to(root.resolve()) and path.is_file()}
            found.clear()
            found.update(below)


def load_all(dataset: Dataset) -> None:
    for item in dataset.items:
        if dataset.load_record is not None and item.record_id is not None:
            dataset.load_record(item.record_id)


def assert_all_hashed(dataset: Dataset, found: set[Path]) -> None:
    """Apart from the manifest of a folder that was built here, which decides who may see the data and nothing that is shown."""
    assert found
    assert {path for path in found if path.name != "manifest.json"} <= {path.resolve() for path in dataset.files}


@pytest.mark.parametrize(
    "task",
    [
        "medalign",
        "mimic_instr.schema",
        "mimic_instr.mortality",
        "ehr_bench.decision.omr",
        "meds_bench.mcqa.medqa",
        "ehrshot.chexpert.edema",
    ],
)
def test_readers_of_the_suites(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (spec,) = load_catalog().select(task)
    root = open_dataset(spec, "sample").root
    with files_read(root, monkeypatch) as found:
        dataset = open_dataset(spec, "sample")
        load_all(dataset)
    assert_all_hashed(dataset, found)


def test_meds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard(tmp_path, "train/0.parquet", [(1, NOON, "LAB//1", 1.0, None)])
    (tmp_path / "metadata").mkdir()
    pl.DataFrame({"code": ["LAB//1"], "description": ["Lead"]}).write_parquet(tmp_path / "metadata" / "codes.parquet")
    pl.DataFrame({"subject_id": [1], "split": ["held_out"]}).write_parquet(tmp_path / "metadata" / "subject_splits.parquet")
    (tmp_path / "metadata" / "dataset.json").write_text("{}")
    (tmp_path / "names.csv").write_text("code,description\nLAB//1,Lead\n")
    pl.DataFrame({"subject_id": [1], "prediction_time": [NOON], "boolean_value": [True]}).write_parquet(
        tmp_path / "labels.parquet"
    )
    options = {"labels": "labels.parquet", "question": "Q?", "split": "held_out", "dictionaries": ["names.csv"]}
    with files_read(tmp_path, monkeypatch) as found:
        dataset = read_meds(tmp_path, options)
        load_all(dataset)
    assert_all_hashed(dataset, found)
    assert len(found) == 6
