"""Any benchmark that ``datasets`` reads: a set of the hub, a ``save_to_disk`` folder, Arrow, Parquet or JSON files.

The keys are those of the reader ``jsonl``. Nothing is fetched: a set of the hub is read from the hub's cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data, hash_files
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.fields import FieldOptions, ItemsReading, inside
from ehrbench.readers.hf.package import hub_folder, require_datasets
from ehrbench.readers.hf.rows import open_files, open_repository, open_saved, plain_rows, text_columns
from ehrbench.readers.hf.tables import is_saved
from ehrbench.readers.reader import reader
from ehrbench.records import Record, read_record_file
from ehrbench.records.plain_text import text_record


class Options(FieldOptions):
    """``data.options`` of ``hf``."""

    id: str | None = Field(None, pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$")
    """A data set of the hub; None: the task's folder."""
    revision: str | None = Field(None, pattern=r"^\w[\w./-]*$")
    """Of the hub's set: a commit, a tag or a branch."""
    config: str | None = None
    """One of its configurations."""
    split: str | None = None
    """None: the only one, or ``test``."""
    files: tuple[str, ...] = ()
    """Files or patterns below the task's folder (``*.parquet``), in this order."""
    streaming: bool = False
    """Iterate over the files instead of making an Arrow copy."""

    @model_validator(mode="after")
    def _agree(self) -> Options:
        if self.id is not None and self.files:
            raise ValueError("data.options.id and data.options.files name two sources; give one of them")
        if self.id is None and self.revision is not None:
            raise ValueError("data.options.revision is of a set of the hub; give its name in data.options.id")
        for name in ("split", "config"):
            if self.files and getattr(self, name) is not None:
                raise ValueError(f"data.options.{name} chooses within a data set; with data.options.files, name the files alone")
        return self


def _files(root: Path, options: Options) -> list[Path]:
    """The files that the options name, each once."""
    found: dict[Path, None] = {}
    for pattern in options.files:
        if inside(root, pattern) is None or Path(pattern).is_absolute():
            raise UsageError(f"data.options.files has '{pattern}', which leads out of the data folder")
        matched = sorted(path for path in root.glob(pattern) if path.is_file())
        for path in matched:
            if inside(root, path.relative_to(root).as_posix()) is None:
                raise UsageError(f"{path} leads out of the data folder")
            found[path] = None
        if not matched:
            raise MissingError(f"no file of {root} is called '{pattern}' (data.options.files)")
    return list(found)


def _elsewhere(options: Options) -> Path | None:
    if options.id is None:
        return None
    require_datasets()
    return hub_folder(options.id, options.revision)


def _open(root: Path, options: Options) -> Any:
    if options.files:
        return open_files(_files(root, options), options.streaming)
    if is_saved(root):
        if options.config is not None:
            raise UsageError(f"{root} was written by save_to_disk and has no configurations; leave data.options.config out")
        return open_saved(root, options.split)
    return open_repository(
        root,
        options.id or str(root),
        options.config,
        options.split,
        streaming=options.streaming,
        is_hub=options.id is not None,
    )


@reader(Options, slots=None, meta=None, elsewhere=_elsewhere)
def read(root: Path, options: Options) -> Dataset:
    """Read a data set with ``datasets``, a row at a time; an item's id is the number of its row where no column ``id`` has it.

    The data's hash is over the rows, so it is the same for the same rows in another form.

    Raises:
        MissingError: datasets is not installed, or data or record files are not there.
        UsageError: no such split or configuration, or a row is malformed; the message names data set and row.
    """
    name = options.id or str(root)
    data, left_out = text_columns(_open(root, options))
    reading = ItemsReading(root, options, "row")
    key = reading.keys["id"]
    columns = list(data.features or {})
    if columns and key not in columns and "id" in options.fields and "." not in key:
        raise UsageError(f"{name}: no column '{key}' (data.options.fields.id); the columns are {', '.join(columns)}")
    digest = sha256()
    for number, row in enumerate(plain_rows(data)):
        digest.update(json.dumps(row, sort_keys=True, ensure_ascii=False).encode())
        digest.update(b"\n")
        values: dict[str, Any] = row if key in row or "id" in options.fields else {key: str(number), **row}
        reading.add(_with_nested(values, reading.keys), number, number, f"{name}: row {number}")
    if not reading.items:
        raise UsageError(f"{name}: the data set has no row")
    if reading.inline and options.streaming:
        raise UsageError(
            f"{name}: its rows hold records, which have to be found again; leave data.options.streaming out, or write the set "
            "once with save_to_disk"
        )
    warnings = reading.warnings(name)
    if left_out:
        warnings += (f"{name}: the columns {', '.join(left_out)} hold no text and are left out",)
    return Dataset(
        root=root,
        items=tuple(reading.items),
        files=tuple(reading.files.values()),
        derived_from=hash_data([digest.hexdigest(), hash_files(root, reading.files.values())]),
        load_record=_loader(data, name, reading, options.rendering) if reading.inline or reading.files else None,
        warnings=warnings,
        source=_source(root, options, data),
    )


def _with_nested(row: Mapping[str, Any], keys: Mapping[str, str]) -> Mapping[str, Any]:
    """A row with the values that ``fields`` reaches into: ``choices.text``."""
    nested = {}
    for name in keys.values():
        if "." in name and name not in row:
            value: Any = row
            for part in name.split("."):
                value = value.get(part) if isinstance(value, Mapping) else None
            nested[name] = value
    return {**row, **nested} if nested else row


def _source(root: Path, options: Options, data: Any) -> dict[str, str]:
    """Where the data are from, for the manifest; no path of the user's."""
    facts = {
        "id": options.id,
        "revision": options.revision,
        "commit": root.name if options.id else None,
        "config": options.config,
        "split": str(data.split) if data.split is not None else options.split,
        "fingerprint": getattr(data, "_fingerprint", None),
    }
    return {name: value for name, value in facts.items() if value}


def _loader(data: Any, name: str, reading: ItemsReading, rendering: str) -> Callable[[str], Record]:
    def load(record_id: str) -> Record:
        if path := reading.files.get(record_id):
            return read_record_file(path, record_id, rendering)
        if record_id not in reading.inline:
            raise UsageError(f"record '{record_id}' belongs to no item of {name}")
        row = data[reading.inline[record_id]]
        return text_record(record_id, str(_with_nested(row, reading.keys)[reading.keys["record"]]))

    return load
