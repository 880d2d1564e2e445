"""The releases of EHR-Bench and MedS-Bench as tables that ``datasets`` reads: the items, records and scores of their files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.samples import write_sample
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import rows, run_folders, without_clock
from tests.support.hub import COMMIT

pytestmark = pytest.mark.datasets

TASKS = {
    "ehr_bench": ("ehr_bench.decision.labevents", "ehr_bench.decision.diagnosis", "ehr_bench.risk.ED_Hospitalization"),
    "meds_bench": ("meds_bench.ner.bc4chem", "meds_bench.mcqa.medqa", "meds_bench.fact_verification.pubmedqa"),
}
Put = Callable[[Path, Any], None]


def saved(path: Path, data: Any) -> None:
    data.save_to_disk(path.with_suffix(""))


def saved_splits(path: Path, data: Any) -> None:
    datasets = import_module("datasets")
    parts = {"train": data.select(range(len(data) // 2)), "test": data.select(range(len(data) // 2, len(data)))}
    datasets.DatasetDict({name: part for name, part in parts.items() if len(part)}).save_to_disk(path.with_suffix(""))


def parquet(path: Path, data: Any) -> None:
    data.to_parquet(path.with_suffix(".parquet"))


def parquet_parts(path: Path, data: Any) -> None:
    for number in range(2):
        part = data.shard(2, number, contiguous=True) if len(data) > 1 else data.select(range(1 - number))
        part.to_parquet(path.with_name(f"{path.stem}-{number:05d}-of-00002.parquet"))


def arrow(path: Path, data: Any) -> None:
    data.save_to_disk(path.with_name("made"))
    (file,) = path.with_name("made").glob("*.arrow")
    file.replace(path.with_suffix(".arrow"))
    shutil.rmtree(path.with_name("made"))


FORMS: tuple[Put, ...] = (saved, saved_splits, parquet, parquet_parts, arrow)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_sample("ehr_bench", folder / "ehr_bench")
    write_sample("meds_bench", folder / "meds_bench")
    return folder


def as_tables(samples: Path, folder: Path, put: Put) -> Path:
    """A data folder in which every file of the samples that a task here reads is a table in its place."""
    datasets = import_module("datasets")
    wanted = {"ehr_bench_decision_making", "ehr_bench_risk_prediction", "task125_test", "task57_medqa", "task12_pubmedqa"}
    for file in sorted(samples.rglob("*.json*")):
        if any(file.stem.startswith(stem) for stem in wanted):
            data = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / "cache"))
            place = folder / file.relative_to(samples)
            place.parent.mkdir(parents=True, exist_ok=True)
            put(place, data)
    shutil.rmtree(folder / "cache")
    return folder


def run(tasks: str, data_dir: Path | str, out: Path) -> dict[str, Any]:
    """Every file of the runs, less clocks, hashes, folders' names and what they say of where the data were."""
    done = CliRunner().invoke(
        app, ["run", "--model", "baseline:majority", "--tasks", tasks, "--data-dir", str(data_dir), "--out", str(out), "--quiet"]
    )
    assert done.exit_code == 0, done.output
    found = {}
    for folder in run_folders(out):
        result = without_clock(json.loads((folder / "result.json").read_text()))
        for key in [key for key in result if key in ("config_hash", "signature")]:
            del result[key]
        found[folder.parent.name] = (
            result,
            *(without_clock(rows(folder / "private" / name)) for name in ("predictions.jsonl", "scores.jsonl")),
        )
    return found


@pytest.mark.parametrize("put", FORMS)
def test_items_and_records_are_those_of_the_files(put: Put, samples: Path, tmp_path: Path) -> None:
    folder = as_tables(samples, tmp_path / "tables", put)
    catalog = load_catalog()
    for suite, names in TASKS.items():
        for task in catalog.select(",".join(names), "clean"):
            file, table = (open_dataset(task, str(place / suite)) for place in (samples, folder))
            assert table.items == file.items
            assert table.items
            assert list(table.warnings) == list(file.warnings)
            assert (table.load_record is None) == (file.load_record is None)
            for item in file.items[:5]:
                if file.load_record is not None and table.load_record is not None:
                    assert table.load_record(item.record_id) == file.load_record(item.record_id)


def test_scores_are_those_of_the_files_and_the_hash_is_of_the_content(samples: Path, tmp_path: Path) -> None:
    tasks = ",".join(name for names in TASKS.values() for name in names)
    expected = run(tasks, samples, tmp_path / "files")
    digests = set()
    for put in (saved, parquet, arrow):
        folder = as_tables(samples, tmp_path / put.__name__, put)
        assert run(tasks, folder, tmp_path / f"{put.__name__} out") == expected
        for task in load_catalog().select(tasks, "clean"):
            digests.add((task.task, open_dataset(task, str(folder)).digest()))
    assert len(digests) == len(expected), "one hash for each task, whatever the form"


def test_a_whole_release_that_save_to_disk_wrote(samples: Path, tmp_path: Path) -> None:
    datasets = import_module("datasets")
    files = [str(samples / "ehr_bench" / f"ehr_bench_{kind}.jsonl") for kind in ("decision_making", "risk_prediction")]
    data = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    data.save_to_disk(tmp_path / "ehr_bench")
    for task in load_catalog().select(",".join(TASKS["ehr_bench"]), "clean"):
        table, file = open_dataset(task, str(tmp_path)), open_dataset(task, str(samples))
        assert table.items == file.items
        assert table.source["fingerprint"]


def cached(home: Path, name: str, files: Path) -> None:
    """Put a folder into a hub's cache, as ``hf download --revision v1`` would."""
    repository = home / "hub" / f"datasets--{name.replace('/', '--')}"
    shutil.copytree(files, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(COMMIT)


@pytest.mark.parametrize("suite", TASKS)
def test_a_release_in_the_hubs_cache(suite: str, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cached(tmp_path, f"owner/{suite}", samples / suite)
    place = f"hf:owner/{suite}@v1"
    assert run(TASKS[suite][0], place, tmp_path / "hub runs") == run(TASKS[suite][0], samples, tmp_path / "runs")
    (folder,) = run_folders(tmp_path / "hub runs")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["data_source"] == {"id": f"owner/{suite}", "revision": "v1", "commit": COMMIT}
    assert json.loads((folder / "private" / "origin.json").read_text())["data_dir"] == place
    assert CliRunner().invoke(app, ["score", str(folder), "--quiet"]).exit_code == 0, "the place is found again"
    (task,) = load_catalog().select(TASKS[suite][0], "clean")
    with pytest.raises(MissingError, match=r"hf download --repo-type dataset owner/other --revision v2"):
        open_dataset(task, "hf:owner/other@v2")
    with pytest.raises(UsageError, match="expected hf:OWNER/NAME"):
        open_dataset(task, "hf:nothing")


def test_what_is_not_a_table_of_the_release(samples: Path, tmp_path: Path) -> None:
    datasets = import_module("datasets")
    ehr, meds = (load_catalog().select(TASKS[suite][0], "clean")[0] for suite in TASKS)
    parquet(tmp_path / "ehr_bench_decision_making.x", datasets.Dataset.from_dict({"idx": [1]}))
    with pytest.raises(UsageError, match="no column instruction, input, task_info"):
        open_dataset(ehr, str(tmp_path))
    place = tmp_path / "NER" / meds.data.options["file"]
    place.parent.mkdir()
    parquet(place, datasets.Dataset.from_dict({"Definition": ["a", "b"]}))
    with pytest.raises(UsageError, match="several rows"):
        open_dataset(meds, str(tmp_path))
