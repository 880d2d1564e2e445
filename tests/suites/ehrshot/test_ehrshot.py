"""EHRSHOT on its synthetic sample: labels, splits, worked examples, the original release made into MEDS, and what is refused."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import ehrbench
from ehrbench.assets import asset_dir
from ehrbench.errors import MissingError, UsageError
from ehrbench.leaderboard.build import build
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse
from ehrbench.readers import Dataset
from ehrbench.readers.data_dir import open_dataset
from ehrbench.readers.samples import ensure_sample
from ehrbench.results.groups import load_groups
from ehrbench.results.published import published_results
from ehrbench.suites.ehrshot.labels import FINDINGS, draw_shots
from ehrbench.suites.ehrshot.prepare import prepare
from ehrbench.suites.ehrshot.reader import read
from ehrbench.suites.ehrshot.sample import write_assets
from ehrbench.tasks.catalog import load_catalog
from tests.support.scripted import ScriptedModel

ASKED = {"question": "Will it?"}
ANEMIA = ASKED | {"task": "lab_anemia"}


@pytest.fixture(scope="module")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ehrshot") / "EHRSHOT_ASSETS"
    write_assets(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path, assets: Path) -> Path:
    prepare(assets, tmp_path / "ehrshot", assets / "CONCEPT.csv")
    return tmp_path / "ehrshot"


def labels(root: Path, task: str, **columns: list[object]) -> None:
    path = root / "labels" / task / "labels.parquet"
    n = len(columns["subject_id"])
    times = {"prediction_time": [datetime.fromisoformat("2016-05-01T12:00")] * n}
    pl.DataFrame(times | columns).write_parquet(path)


def answers(dataset: Dataset) -> list[str]:
    return [item.references[0] for item in dataset.items]


def test_the_fifteen_tasks_in_four_groups() -> None:
    tasks = load_catalog([]).select("ehrshot")
    assert len(tasks) == 28
    assert {task.data.options["task"] for task in tasks} == {
        path.name for path in (ensure_sample("ehrshot") / "labels").iterdir()
    }
    assert [task.data.options["finding"] for task in tasks if task.data.options["task"] == "chexpert"] == list(FINDINGS)
    groups = load_groups("ehrshot")
    assert groups is not None
    assert {group.group: len(load_catalog([]).select(str(group.tasks[0]))) for group in groups.groups} == {
        "ehrshot.operational_outcomes": 3,
        "ehrshot.lab_values": 5,
        "ehrshot.new_diagnoses": 6,
        "ehrshot.chexpert": 14,
    }
    for task in tasks:
        sample = open_dataset(task, "sample")
        assert set(answers(sample)) == {"yes", "no"}, task.task
        assert sample.warnings == []


def test_severities_of_a_laboratory_result_are_yes(root: Path) -> None:
    patients = pl.read_parquet(root / "metadata" / "subject_splits.parquet").filter(split="held_out")["subject_id"].to_list()[:4]
    labels(root, "lab_anemia", subject_id=patients, integer_value=[0, 1, 2, 3])
    assert answers(read(root, ANEMIA)) == ["no", "yes", "yes", "yes"]
    path = root / "labels" / "lab_anemia" / "labels.parquet"
    others = {"boolean_value": pl.Boolean, "float_value": pl.Float64, "categorical_value": pl.String}
    every = pl.read_parquet(path).with_columns(pl.lit(None, kind).alias(name) for name, kind in others.items())
    every.write_parquet(path)  # as the MEDS release has them
    assert answers(read(root, ANEMIA)) == ["no", "yes", "yes", "yes"]


@pytest.mark.parametrize(
    ("value", "found"),
    [(0, set()), (8192, {"no_finding"}), (1, {"support_devices"}), (512 + 256, {"lung_opacity", "edema"})],
)
def test_the_bits_of_chest_x_ray_findings(root: Path, value: int, found: set[str]) -> None:
    patient = pl.read_parquet(root / "metadata" / "subject_splits.parquet").filter(split="held_out")["subject_id"][0]
    labels(root, "chexpert", subject_id=[patient], integer_value=[value])
    asked = {finding: answers(read(root, ASKED | {"task": "chexpert", "finding": finding})) for finding in FINDINGS}
    assert {finding for finding, said in asked.items() if said == ["yes"]} == found


def test_the_canonical_split_and_records_that_stop_at_the_prediction(root: Path) -> None:
    split_of = dict(pl.read_parquet(root / "metadata" / "subject_splits.parquet").iter_rows())
    parts = {part: read(root, ANEMIA | {"split": part}) for part in ("train", "val", "test", "all")}
    for part, name in (("train", "train"), ("val", "tuning"), ("test", "held_out")):
        assert {split_of[int(item.group or 0)] for item in parts[part].items} == {name}
    assert sum(len(parts[part].items) for part in ("train", "val", "test")) == len(parts["all"].items)
    for item in parts["test"].items:
        assert parts["test"].load_record is not None
        assert item.record_id is not None
        record = parts["test"].load_record(item.record_id)
        time = datetime.fromisoformat(item.record_id.partition("@")[2])
        assert all(entry.time is not None and entry.time <= time for entry in record.entries)
        assert record.header.splitlines()[1].startswith("BORN: 19")
        assert record.header.splitlines()[2].startswith("Gender: ")


def test_several_labels_of_one_minute_are_several_items(root: Path) -> None:
    patient = pl.read_parquet(root / "metadata" / "subject_splits.parquet").filter(split="held_out")["subject_id"][0]
    labels(root, "lab_anemia", subject_id=[patient] * 3, integer_value=[2, 0, 0])
    items = read(root, ANEMIA).items
    time = f"{patient}@2016-05-01T12:00:00"
    assert [(item.id, item.record_id, item.references[0]) for item in items] == [
        (time, time, "no"),
        (f"{time}.2", time, "no"),
        (f"{time}.3", time, "yes"),
    ]


def test_worked_examples_are_the_benchmarks_shots_and_never_scored(root: Path) -> None:
    dataset = read(root, ANEMIA | {"shots": 3, "replicate": 1})
    assert dataset.examples is not None
    assert Counter(item.references[0] for item in dataset.examples) == {"yes": 3, "no": 3}
    assert not {item.group for item in dataset.examples} & {item.group for item in dataset.items}
    more = read(root, ANEMIA | {"shots": 5, "replicate": 1}).examples
    assert more is not None
    assert {item.id for item in dataset.examples} < {item.id for item in more}
    assert read(root, ANEMIA | {"split": "train"}).examples == []


def test_shots_are_drawn_by_the_benchmarks_rule() -> None:
    positive = [n % 5 == 0 for n in range(1000)]
    np.random.seed(2)  # noqa: NPY002 - the benchmark's own generator
    negatives = np.random.choice(np.array([n for n in range(1000) if n % 5]), size=128, replace=False)  # noqa: NPY002
    shots = draw_shots(positive, 4, 2)
    assert shots[:4] == negatives[:4].tolist()
    assert [positive[n] for n in shots] == [False] * 4 + [True] * 4
    assert len(draw_shots([True, False, False], 4, 0)) == 3


def test_the_original_release_says_what_its_files_say(assets: Path, root: Path) -> None:
    events = pl.read_csv(assets / "data" / "ehrshot.csv", infer_schema=False)
    written = pl.concat([pl.read_parquet(path) for path in sorted((root / "data").glob("*.parquet"))])
    assert written.height == events.height
    assert (
        written["numeric_value"].drop_nulls().sort().to_list() == events["value"].cast(pl.Float64).drop_nulls().sort().to_list()
    )
    assert (root / "metadata" / "codes.parquet").is_file()
    assert pl.read_parquet(root / "metadata" / "codes.parquet")["description"].null_count() == 0
    for path in (assets / "benchmark").iterdir():
        assert pl.read_parquet(root / "labels" / path.name).height == pl.read_csv(path / "labeled_patients.csv").height
    dataset = read(root, ANEMIA)
    item = next(item for item in dataset.items if item.references[0] == "yes")
    assert dataset.load_record is not None
    assert item.record_id is not None
    text = dataset.load_record(item.record_id).text
    assert "LOINC: Hemoglobin [Mass/volume] in Blood [718-7] = " in text
    assert "Visit: Inpatient Visit [IP]; end" not in text
    (root / "metadata" / "codes.parquet").unlink()
    assert "% of 1584 events have a name" in " ".join(read(root, ANEMIA).warnings).replace(",", "")
    shutil.copy(assets / "CONCEPT.csv", root)
    assert read(root, ANEMIA).warnings == []


EVENTS, SPLIT, LABELS = "data/ehrshot.csv", "splits/person_id_map.csv", "benchmark/lab_anemia/labeled_patients.csv"


@pytest.mark.parametrize(
    ("name", "pattern", "new", "said"),
    [
        (EVENTS, "patient_id", "person", "has no column 'patient_id', which its layout asks for"),
        (EVENTS, ",990000001,1", ",x,1", "row 1: patient_id is not a whole number"),
        (EVENTS, r",990000001,1\d+-", ",990000001,around ", "row 1 has a start that is not a time"),
        (EVENTS, "SNOMED/3950001", "", "row 1 has no code"),
        (SPLIT, "val", "valid", "row 2 has no patient or none of the splits train, val, test"),
        (SPLIT, "990000002", "990000001", "row 2 is about a patient of an earlier row"),
        (LABELS, "categorical", "survival", "label_type is not boolean or categorical throughout"),
        (LABELS, ",0,", ",mild,", "row 1 has no patient, time or categorical value"),
    ],
)
def test_a_malformed_release_is_named_with_its_row(
    assets: Path, tmp_path: Path, name: str, pattern: str, new: str, said: str
) -> None:
    release = tmp_path / "assets"
    shutil.copytree(assets, release)
    path = release / name
    path.write_text(re.sub(pattern, new, path.read_text(), count=1))
    with pytest.raises(UsageError, match=rf"EHRSHOT: .*{Path(name).name}.*{said}"):
        prepare(release, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_labels_that_are_none_of_the_tasks_are_refused(root: Path, tmp_path: Path) -> None:
    patient = pl.read_parquet(root / "metadata" / "subject_splits.parquet").filter(split="held_out")["subject_id"][0]
    labels(root, "lab_anemia", subject_id=[patient], integer_value=[4])
    with pytest.raises(
        UsageError, match=r"labels\.parquet: row 1: integer_value is not from 0 to 3, as labels of lab_anemia are"
    ):
        read(root, ANEMIA)
    labels(root, "lab_anemia", subject_id=[patient], boolean_value=[True])
    with pytest.raises(UsageError, match="has values in boolean_value; the labels of lab_anemia are in integer_value"):
        read(root, ANEMIA)
    shutil.rmtree(root / "labels" / "lab_anemia")
    with pytest.raises(MissingError, match="has no Parquet file; place the MEDS release there, or make the folder with"):
        read(root, ANEMIA)
    with pytest.raises(UsageError, match="data.options.finding of ehrshot belongs to task chexpert"):
        read(root, ASKED | {"task": "chexpert"})
    with pytest.raises(MissingError, match="--assets names the release's folder EHRSHOT_ASSETS"):
        prepare(tmp_path, tmp_path / "out")


def test_subjects_of_no_split_are_not_asked(root: Path) -> None:
    path = root / "metadata" / "subject_splits.parquet"
    splits = pl.read_parquet(path)
    gone = splits.filter(split="held_out")["subject_id"][0]
    splits.filter(pl.col("subject_id") != gone).write_parquet(path)
    dataset = read(root, ANEMIA)
    assert str(gone) not in {item.group for item in dataset.items}
    assert any("6 of 216 labels are about subjects of no split; they are not asked" in warning for warning in dataset.warnings)


def test_the_sample_runs_to_a_site_with_the_websites_numbers(tmp_path: Path) -> None:
    done = ehrbench.evaluate("baseline:majority", "ehrshot", data_dir="sample", out=tmp_path / "results")
    assert len(done) == 28
    site = tmp_path / "site"
    build([tmp_path / "results", asset_dir("published")], site)
    page = (site / "suites" / "ehrshot.html").read_text(encoding="utf-8")
    for said in ("EHRSHOT", "Operational outcomes", "Chest X-ray findings", "CLMBR-T-base", "majority"):
        assert said in page
    rows = published_results("ehrshot")
    assert len(rows) == 19
    assert {row.task for row in rows} == {
        f"ehrshot.{name}" for name in ("operational_outcomes", "lab_values", "new_diagnoses", "chexpert")
    }


def test_examples_come_with_their_records_into_the_prompt(tmp_path: Path) -> None:
    asked: list[str] = []

    class Reads(ScriptedModel):
        def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
            for request in requests:
                asked.append("".join(message.content for message in request.messages))
                yield ChoiceResponse(id=request.id, probabilities=(0.5, 0.5))

    task = "ehrshot.operational_outcomes.guo_los"
    ehrbench.evaluate(Reads(), task, data_dir="sample", num_fewshot=2, limit=3, out=tmp_path)
    assert len(asked) == 3
    for prompt in asked:
        assert prompt.count("BORN: ") == prompt.count("seven days or longer? Answer with yes or no.") == 3
        assert len(re.findall(r"Answer with yes or no\.\n(?:yes|no)\n", prompt)) == 2
