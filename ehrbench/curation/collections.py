"""Collections of records that instructions can be matched to, read one record at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.meds.extract import open_meds
from ehrbench.records import Record, is_record_file, read_record_file


@dataclass(frozen=True)
class Collection:
    """Records by id."""

    root: Path
    ids: Sequence[str]
    """In a fixed order."""
    load: Callable[[str], Record]
    """Reads one record."""
    signature: str
    """Changes when a file of the collection does: by names, sizes and times of change, for reading all of it would take as long
    as indexing it."""
    group_of: Callable[[str], str] = str
    """The patient of a record."""
    file_of: Callable[[str], Path | None] = lambda _: None
    """The file of a record that has one of its own."""

    def texts(self) -> Iterator[tuple[str, str]]:
        """Ids and texts, one record in memory at a time."""
        for one in self.ids:
            record = self.load(one)
            yield one, record.header + record.text


def open_collection(root: Path) -> Collection:
    """Find the records of a folder.

    It is a MEDS data set (``data/*.parquet``), or it holds a file per patient: MedAlign's XML or plain text (``.txt``), in the
    folder itself or in one folder below it, as a release does. A file's name without its suffix is the record's id.

    Raises:
        MissingError: the folder is not there, or has none of these.
        UsageError: several folders below it have records, two files would be one record, or a MEDS shard cannot be read.
    """
    if not root.is_dir():
        raise MissingError(f"{root} is not a folder; name one with a MEDS data set or with a file per patient")
    if (root / "data").is_dir():
        data = open_meds(root)
        return Collection(
            root, [str(subject) for subject in data.block_of], lambda one: data.record(int(one)), _signature(data.files)
        )
    found = {folder: files for folder in _folders(root) if (files := sorted(filter(is_record_file, folder.iterdir())))}
    if root in found:
        return _of_files(root, found[root])
    if len(found) > 1:
        raise UsageError(
            f"{root}: {len(found)} of its folders have records ({', '.join(one.name for one in found)}); name one of them"
        )
    if found:
        return _of_files(*found.popitem())
    raise MissingError(
        f"{root} has no records: expected a MEDS data set (data/*.parquet) or a file per patient (.xml or .txt), there or in one "
        "folder below it"
    )


def _folders(root: Path) -> list[Path]:
    return [root, *(path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith("."))]


def collection_of(dataset: Dataset) -> Collection:
    """The records that a task's items ask about: those of MIMIC-Instr, of EHR-Bench, or of any other task's data.

    Raises:
        UsageError: the task has no records.
    """
    load = dataset.load_record
    patients = {item.record_id: item.group or item.record_id for item in dataset.items if item.record_id}
    if load is None or not patients:
        raise UsageError(f"{dataset.root}: the task's items have no records; name another task, or a folder with --records")
    return Collection(dataset.root, list(patients), load, _signature(dataset.files), patients.__getitem__)


def _of_files(folder: Path, files: Sequence[Path]) -> Collection:
    paths: dict[str, Path] = {}
    for path in files:
        if other := paths.get(path.stem):
            raise UsageError(f"{folder}: {other.name} and {path.name} would be one record; rename or remove one")
        paths[path.stem] = path

    return Collection(folder, list(paths), lambda one: read_record_file(paths[one], one), _signature(files), file_of=paths.get)


def _signature(files: Sequence[Path]) -> str:
    stats = [(str(path.resolve()), path.stat()) for path in files]
    return hash_data([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])
