"""The synthetic MIMIC-IV: twelve invented patients in the layout of hosp/, icu/ and ed/."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ehrbench.mimic.sample.story import Story, load_stories
from ehrbench.mimic.sample.tables import build_tables

__all__ = ["README", "generate", "release"]

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


@contextmanager
def release() -> Iterator[tuple[Path, Path]]:
    """The synthetic MIMIC-IV and its split, for as long as they are needed."""
    with tempfile.TemporaryDirectory() as scratch:
        mimic, split = Path(scratch) / "mimic", Path(scratch) / "split.csv"
        mimic.mkdir()
        generate(mimic)
        split.write_text("subject_id,split\n" + "".join(f"{story.subject_id},{_split(story)}\n" for story in load_stories()))
        yield mimic, split


def _split(story: Story) -> str:
    """Most are test patients, so that the sample's test subset holds a question of each."""
    return {0: "train", 1: "val"}.get(story.number, "test")
