from __future__ import annotations

import csv
import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.readers import Dataset
from ehrbench.readers.samples import ensure_sample, suite_of, write_sample
from ehrbench.suites.medalign.ratings import answers_of, read_ratings
from ehrbench.suites.medalign.reader import read

RELEASE = "files/medalign_instructions_v1_3"
DIGEST = """
import hashlib, sys
from pathlib import Path
from ehrbench.readers.samples import write_sample
root = write_sample("medalign", Path(sys.argv[1]))
for path in sorted(root.rglob("*")):
    if path.is_file():
        print(path.relative_to(root), hashlib.sha256(path.read_bytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    began = time.process_time()  # of this process: other work on the machine is not ours
    folder = write_sample("medalign", tmp_path_factory.mktemp("sample") / "medalign")
    assert time.process_time() - began < 5  # 0.5 s on an idle machine
    return folder


@pytest.fixture(scope="module")
def dataset(sample: Path) -> Dataset:
    return read(sample, {})


def listing(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files)


def test_the_same_bytes_in_another_process(sample: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    command = [sys.executable, "-c", DIGEST, str(tmp_path / "again")]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == listing(sample)


def test_size_and_shape(dataset: Dataset) -> None:
    assert len({item.group for item in dataset.items}) == 24
    assert 38 <= len(dataset.items) <= 48
    assert dataset.warnings == ()
    assert {len(item.references) for item in dataset.items} == {1, 3}
    assert any(int(item.id) > 2**31 for item in dataset.items)
    assert all(8 <= len(item.id) <= 10 for item in dataset.items)
    categories = {item.meta["category"] for item in dataset.items}
    assert categories == {
        "Retrieve & Summarize",
        "Care Planning",
        "Calculation & Scoring",
        "Diagnosis Support",
        "Translation",
        "Other",
    }
    assert dataset.load_record is not None
    lengths = sorted(len(dataset.load_record(record).text) for record in {item.record_id for item in dataset.items} if record)
    assert 5_000 < lengths[0] < 9_000 and 500_000 < lengths[-1] < 800_000
    assert sum(lengths) < 4_000_000


def test_everything_is_marked_synthetic(sample: Path) -> None:
    assert "SYNTHETIC" in (sample / "README-SYNTHETIC.txt").read_text()
    for path in (sample / RELEASE).glob("*.?sv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        assert rows and all(row["data_source"] == "SYNTHETIC" for row in rows), path.name
    for path in (sample / RELEASE / "ehrs").iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("<!-- SYNTHETIC RECORD") and text.rstrip().endswith("-->")
        assert "(SYNTHETIC)" in text[-8_000:], path.name


def test_both_dialects_and_every_entry_dated(dataset: Dataset) -> None:
    assert dataset.load_record is not None
    roots = set()
    for record_id in {item.record_id for item in dataset.items if item.record_id}:
        for rendering in ("raw", "visits", "compact"):
            record = read(dataset.root, {"rendering": rendering}).load_record(record_id)  # type: ignore[misc]
            kinds = {entry.kind for entry in record.entries}
            assert {"note", "measurement"} <= kinds
            undated = {entry.kind for entry in record.entries if entry.time is None}
            assert undated <= {"person", "caresites", "providers"}
            times = [entry.time for entry in record.entries if entry.time]
            assert times == sorted(times)
        roots.add(re.search(r"<(record|eventstream)\b", dataset.load_record(record_id).text)[1])  # type: ignore[index]
    assert roots == {"record", "eventstream"}


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{4,}|\d+(?:\.\d+)?", text.lower()))


def test_answers_are_findable_and_wrong_ones_are_not_golds(dataset: Dataset) -> None:
    assert dataset.load_record is not None
    shares = []
    for item in dataset.items:
        if item.meta["category"] in ("Translation", "Care Planning", "Diagnosis Support"):
            continue
        assert item.record_id
        record = words(dataset.load_record(item.record_id).text)
        gold = words(item.references[0])
        shares.append(len(gold & record) / len(gold))
        numbers = {word for word in gold if "." in word}
        assert numbers <= record, f"{item.id}: {numbers - record}"
    assert min(shares) > 0.4 and sum(shares) / len(shares) > 0.75


def test_better_systems_answer_better_and_are_ranked_better(dataset: Dataset, sample: Path) -> None:
    ratings = read_ratings(sample)
    assert len(ratings.systems) == 6 and len(ratings.used()) == 6 * len(dataset.items)
    golds = {item.id: words(item.references[0]) for item in dataset.items}

    def overlap(system: str) -> float:
        answers = answers_of(ratings, system)
        assert answers.keys() == golds.keys()
        return sum(len(words(answers[key]) & gold) / len(words(answers[key]) | gold) for key, gold in golds.items()) / len(golds)

    def correct(system: str) -> float:
        rows = [row.correct for row in ratings.used() if row.system == system]
        return sum(map(bool, rows)) / len(rows)

    assert overlap("juniper-32k") > overlap("juniper-8k") > overlap("alder-13b") > overlap("sorrel-7b")
    assert correct("juniper-32k") > correct("juniper-8k") > correct("alder-13b") > correct("sorrel-7b")
    assert correct("sorrel-7b") > 0.05 and correct("juniper-32k") < 0.95


def test_ranks_have_ties_on_three_scales_and_triple_reviews(sample: Path) -> None:
    ratings = read_ratings(sample)
    by_review: dict[tuple[str, str], list[float]] = {}
    for row in ratings.rows:
        assert row.rank is not None
        by_review.setdefault((row.item, row.rater), []).append(row.rank)
    assert all(len(ranks) == 6 for ranks in by_review.values())
    assert any(len(set(ranks)) < 6 for ranks in by_review.values())
    assert any(rank != int(rank) for ranks in by_review.values() for rank in ranks)
    raters = {item: sum(key[0] == item for key in by_review) for item, _ in by_review}
    assert set(raters.values()) == {1, 3}
    assert ratings.warnings == (
        f"clinician-reviewed-model-responses.tsv: is_used_eval leaves {6 * len(raters)} rows of 6 systems on {len(raters)} "
        "instructions; release v1.3 has 1818 = 6 x 303",
    )


def test_tables_hold_the_traps_of_the_release(sample: Path) -> None:
    text = (sample / RELEASE / "clinician-instruction-responses.tsv").read_text(encoding="utf-8")
    with (sample / RELEASE / "clinician-instruction-responses.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert text.count("\n") > len(rows) + 1, "a quoted newline"
    assert any("\t" in row["clinician_response"] for row in rows) and any('"' in row["clinician_response"] for row in rows)


def test_ensure_sample_generates_once_and_two_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ensure_sample, ["medalign", "medalign"])
    assert first == second and first.name == "medalign"
    stamp = (first / "README-SYNTHETIC.txt").stat().st_mtime_ns
    assert ensure_sample("medalign") == first and (first / "README-SYNTHETIC.txt").stat().st_mtime_ns == stamp
    assert [path.name for path in first.parent.iterdir()] == ["medalign"], "no scratch folder stays"
    with pytest.raises(MissingError, match="no synthetic sample of 'nothing'"):
        ensure_sample("nothing")


def test_write_sample_refuses_a_folder_with_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "medalign"
    folder.mkdir()
    write_sample("medalign", folder)
    write_sample("medalign", folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there and is not the sample"):
        write_sample("medalign", folder)
    assert (folder / "mine.txt").exists() and [path.name for path in tmp_path.iterdir()] == ["medalign"]


def test_suites_are_the_first_part_of_a_path() -> None:
    assert suite_of("medalign") == suite_of("medalign/v1") == suite_of("medalign\\v1") == "medalign"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, living = tmp_path / f".medalign-{gone.pid}-abc", tmp_path / f".medalign-{os.getppid()}-abc"
    for folder in (left, living):
        (folder / "medalign").mkdir(parents=True)
    write_sample("medalign", tmp_path / "medalign")
    assert not left.exists() and living.exists()
