"""Working through a release of any size in bounded memory, and putting finished files into their place.

Each table is streamed once and laid aside as Parquet, reduced to the cohort's events; then admissions are taken in portions.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ehrbench.mimic.cohort import Cohort
from ehrbench.mimic.events import reduced_rows, sort_events, worded_rows
from ehrbench.mimic.split import read_split, split_patients
from ehrbench.mimic.tables import Mimic

if TYPE_CHECKING:
    import polars as pl

PORTION = 2000
"""Admissions worked on at a time."""
ROWS_PER_GROUP = 64
"""Admissions in a row group of the stored lists: what is decoded to read one."""


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """A scratch folder inside ``out``, gone afterwards; what a killed process has left there is removed, too."""
    for left in out.glob(".preparing-*"):
        if not _alive(int(left.name.split("-")[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f".preparing-{os.getpid()}-", dir=out) as folder:
        yield Path(folder)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stage_events(
    mimic: Mimic, cohort: Cohort, work: Path, types: Iterable[str], progress: Callable[[str], None]
) -> Mapping[str, Path]:
    """Reduce each table to the cohort's events, once; event type to file."""
    stage = {}
    for event_type in types:
        progress(f"reading {event_type}")
        stage[event_type] = work / f"{event_type}.parquet"
        mimic.sink(reduced_rows(mimic, cohort, event_type), stage[event_type])
    return stage


def load_portion(mimic: Mimic, stage: Mapping[str, Path], portion: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The worded events of some admissions by type, sorted.

    Args:
        mimic: the release, for its dictionaries.
        stage: what ``stage_events`` wrote.
        portion: ``hadm_id`` of neighbouring admissions, ascending.
    """
    import polars as pl

    low, high = portion["hadm_id"].min(), portion["hadm_id"].max()
    found = {}
    for event_type, path in stage.items():
        near = pl.scan_parquet(path).filter(pl.col("hadm_id").is_between(low, high))
        rows = near.join(portion.lazy().select("hadm_id"), on="hadm_id", how="semi")
        found[event_type] = sort_events(mimic.collect(worded_rows(mimic, rows, event_type)), event_type)
    return found


def write_lists(portion: pl.DataFrame, merged: pl.DataFrame, path: Path) -> None:
    """Store event lists, a row an admission: ``hadm_id, subject_id, admitted`` and the lists ``at_us, event_type, text``."""
    import polars as pl

    lists = merged.group_by("hadm_id", maintain_order=True).agg("at_us", "event_type", "text")
    rows = (
        portion.select("hadm_id", "subject_id", pl.col("hadm_intime").alias("admitted")).join(lists, on="hadm_id").sort("hadm_id")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    rows.write_parquet(path, compression="zstd", compression_level=1, row_group_size=ROWS_PER_GROUP)


def with_split(admissions: pl.DataFrame, seed: int, split_file: Path | None) -> pl.DataFrame:
    """Add the column ``split``: of the patient, by hash or from a file; null for patients that the file does not name."""
    import polars as pl

    patients: dict[int, list[int]] = {}
    for subject, hadm in admissions.select("subject_id", "hadm_id").iter_rows():
        patients.setdefault(subject, []).append(hadm)
    split = read_split(split_file, patients) if split_file else split_patients(patients, seed)
    return admissions.with_columns(split=pl.col("subject_id").replace_strict(split, default=None, return_dtype=pl.String))


def replace_files(new: Path, out: Path, stale: Iterable[str]) -> None:
    """Put new files in the place of old ones: ``manifest.json`` goes first and comes last, so a folder that has it is whole.

    Args:
        new: the finished files.
        out: where they belong; other files there are left alone.
        stale: names of an earlier preparation that are removed even where there is no new file.
    """
    (out / "manifest.json").unlink(missing_ok=True)
    for name in stale:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink(missing_ok=True)
    for name in [*sorted(path.name for path in new.iterdir() if path.name != "manifest.json"), "manifest.json"]:
        (new / name).replace(out / name)
