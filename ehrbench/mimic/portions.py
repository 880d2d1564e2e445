"""Working through a release of any size in bounded memory, and putting finished files into their place.

Each table is streamed once and laid aside, reduced to the cohort's events (``staging``); then admissions are taken in portions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl
from filelock import FileLock, Timeout

from ehrbench.jsonl import write_private_folder
from ehrbench.mimic.events import worded_in_order
from ehrbench.mimic.split import read_split, split_patients
from ehrbench.mimic.stretches import Staged
from ehrbench.mimic.tables import Mimic
from ehrbench.parquet import write_parquet

PORTION = 2000
"""Admissions in a file of lists."""
ROWS_PER_GROUP = 64
"""Admissions in a row group of the stored lists: what is decoded to read one."""
AT_ONCE = 4 * ROWS_PER_GROUP
"""Admissions whose events are worded at a time."""


@contextmanager
def workspace(out: Path) -> Iterator[Path]:
    """A scratch folder inside ``out``, gone afterwards; what a killed process has left there is removed, too.

    ``out`` is made the owner's alone and ignored by git before anything of a record is laid there.

    Raises:
        EhrbenchError: ``out`` cannot be made or written.
    """
    write_private_folder(out)
    for left in out.glob(".preparing-*"):
        # A process locks its folder before it puts anything there; an empty one may be of one that has just begun.
        with suppress(Timeout, FileNotFoundError):
            if any(left.iterdir()):
                with FileLock(left / "lock", blocking=False):
                    shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".preparing-", dir=out) as folder, FileLock(Path(folder) / "lock"):
        yield Path(folder)


def worded_portions(
    mimic: Mimic, stage: Mapping[str, Staged], portion: pl.DataFrame
) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataFrame]]]:
    """Some admissions a few at a time, each with their worded events by type, sorted.

    Args:
        mimic: the release, for its dictionaries.
        stage: what ``stage_events`` wrote.
        portion: rows of the cohort's neighbouring admissions, by ``hadm_id``.
    """
    low, high = portion["hadm_id"].item(0), portion["hadm_id"].item(-1)
    held = {event_type: staged.rows(low, high) for event_type, staged in stage.items()}
    for few in portion.iter_slices(AT_ONCE):
        between = pl.col("hadm_id").is_between(few["hadm_id"].item(0), few["hadm_id"].item(-1))
        wanted = few.select("hadm_id")
        yield (
            few,
            {
                event_type: worded_in_order(mimic, rows.filter(between).join(wanted, on="hadm_id", how="semi"), event_type)
                for event_type, rows in held.items()
            },
        )


def lists_of(few: pl.DataFrame, merged: pl.DataFrame) -> pl.DataFrame:
    """Event lists, a row an admission: ``hadm_id, subject_id, admitted`` and the lists ``at_us, event_type, text``.

    Args:
        few: rows of the cohort; those without an event have no list.
        merged: their events, as ``merge_events`` leaves them.
    """
    lists = merged.group_by("hadm_id", maintain_order=True).agg("at_us", "event_type", "text")
    stays = few.select("hadm_id", "subject_id", pl.col("hadm_intime").alias("admitted"))
    return stays.join(lists, on="hadm_id", maintain_order="left")


def write_lists(lists: Sequence[pl.DataFrame], path: Path) -> None:
    """Store the event lists of a portion."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_parquet(pl.concat(lists), path, compression="zstd", compression_level=1, row_group_size=ROWS_PER_GROUP)


def with_split(admissions: pl.DataFrame, seed: int, split_file: Path | None) -> pl.DataFrame:
    """Add the column ``split``: of the patient, by hash or from a file; null for patients that the file does not name."""
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
