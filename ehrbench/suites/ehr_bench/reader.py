"""EHR-Bench in whichever of its two releases is there: serialised JSONL, or patients' files with index tables.

The JSONL is the primary one: its contexts and candidates are frozen (protocol page, section 2).
"""

from __future__ import annotations

import json
from pathlib import Path

from ehrbench.errors import MissingError
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.reader import reader
from ehrbench.suites.ehr_bench.options import Options

FILES = {"decision_making": "ehr_bench_decision_making.jsonl", "risk_prediction": "ehr_bench_risk_prediction.jsonl"}


def recognises(root: Path, options: Options) -> bool:
    """Whether a folder has a release's file of the task's type."""
    from ehrbench.suites.ehr_bench.index import find_index
    from ehrbench.suites.ehr_bench.table import find_rows

    path = root / FILES[options.type]
    return path.is_file() or find_rows(root, path.stem) is not None or find_index(root, options.type) is not None


def lacks(root: Path, options: Options) -> str | None:
    """Whether a build of ours, which counts its rows, has none of the task."""
    try:
        written = json.loads((root / "manifest.json").read_bytes())["counts"]["written"]
        n = written.get(options.task, 0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # of the authors' release, or for the reader to judge
    return (
        None
        if n
        else f"{root} was built without a row of task '{options.task}'; its manifest.json says what tables it was built from"
    )


@reader(Options, recognises=recognises, slots=("patient", "candidates"), meta=("gold_in_candidates", "n_candidates"), lacks=lacks)
def read(root: Path, options: Options) -> Dataset:
    """Open one task.

    Raises:
        MissingError: the files are not there, or have no row of the task.
        UsageError: a row is malformed (file and line).
    """
    _require_whole(root)
    path = root / FILES[options.type]
    if options.release != "parquet" and path.is_file():
        from ehrbench.suites.ehr_bench.jsonl import read_jsonl

        return read_jsonl(root, path, options)
    if options.release != "parquet":
        from ehrbench.suites.ehr_bench.table import find_rows, read_table

        if (table := find_rows(root, path.stem)) is not None:
            return read_table(root, table, options)
    if options.release != "jsonl":
        from ehrbench.suites.ehr_bench.index import find_index
        from ehrbench.suites.ehr_bench.parquet import read_parquet

        if (index := find_index(root, options.type)) is not None:
            return read_parquet(index, options)
    raise MissingError(
        f"{path} is not there; put the release's {FILES[options.type]} into {root}, or its rows as {path.stem}.parquet "
        f"or as save_to_disk writes them, or its folders patients_ehr, index_mapping and ehr_bench with {path.stem}.csv"
    )


def _require_whole(root: Path) -> None:
    """Refuse what a preparation that was stopped has left: it puts its ``.gitignore`` first and its manifest last."""
    ignored = root / ".gitignore"
    if ignored.is_file() and ignored.read_bytes() == b"*\n" and not (root / "manifest.json").is_file():
        raise MissingError(
            f"{root} has no manifest.json, so its preparation did not finish and files of two preparations may lie there "
            "together; run `ehrbench data prepare ehr_bench` again"
        )
