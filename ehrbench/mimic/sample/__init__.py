"""The synthetic MIMIC-IV: twelve invented patients in the layout of hosp/, icu/ and ed/, and the benchmarks built from them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ehrbench.mimic.sample.story import Story, load_stories
from ehrbench.mimic.sample.tables import DIAGNOSES, build_tables

__all__ = ["generate", "generate_mimic_instr", "generate_mimic_prediction"]

README = """\
SYNTHETIC DATA. Every patient, event, question and answer in this folder is invented.

The layout is that of MIMIC-IV 2.2 (hosp, icu) and MIMIC-IV-ED 2.2; nothing here is from MIMIC-IV or from any person's record.
ehrbench generates these files from its own source, the same bytes each time, so that every command can be tried without
credentialed data. Scores on them say that an installation works, nothing about a model.
"""


def generate(folder: Path) -> None:
    """Write the synthetic MIMIC-IV into an empty folder."""
    from ehrbench.mimic.schema import TABLES

    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
    for name, rows in build_tables(load_stories()).items():
        table = TABLES[name]
        text = io.StringIO()
        writer = csv.DictWriter(text, table.columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = folder / table.module / f"{name}.csv.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def generate_mimic_instr(folder: Path) -> None:
    """Write MIMIC-Instr, prepared from the synthetic MIMIC-IV, with invented questions of the clinical-reasoning kind."""
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.build.prepare import Options, prepare

    with _release() as (release, split):
        prepare(Mimic(release), folder, Options(seed=1, split_file=split))
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
    rows = [{"hadm_id": s.hadm_id, "q": s.note["question"], "a": s.note["answer"]} for s in load_stories()]
    (folder / "qa_note.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8", newline="\n")


def generate_mimic_prediction(folder: Path) -> None:
    """Write the prediction benchmark, prepared from the synthetic MIMIC-IV."""
    from ehrbench.mimic.ccs import Ccs
    from ehrbench.mimic.tables import Mimic
    from ehrbench.suites.mimic_instr.prediction.prepare import PredictionOptions, prepare_prediction

    ccs = Ccs({(version, code): category for code, version, category, _ in DIAGNOSES.values()}, {})
    with _release() as (release, split):
        prepare_prediction(Mimic(release), folder, PredictionOptions(split_file=split), ccs=ccs)
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")


@contextmanager
def _release() -> Iterator[tuple[Path, Path]]:
    """The synthetic MIMIC-IV and its split, for as long as they are needed."""
    with tempfile.TemporaryDirectory() as scratch:
        release, split = Path(scratch) / "mimic", Path(scratch) / "split.csv"
        release.mkdir()
        generate(release)
        split.write_text("subject_id,split\n" + "".join(f"{story.subject_id},{_split(story)}\n" for story in load_stories()))
        yield release, split


def _split(story: Story) -> str:
    """Most are test patients, so that the sample's test subset holds a question of each."""
    return {0: "train", 1: "val"}.get(story.number, "test")
