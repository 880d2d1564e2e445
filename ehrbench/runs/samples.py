"""Runs of chosen items: the ids of ``--samples``, from the command line or from a file, and which items they are."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import parse
from ehrbench.readers.excel import SUFFIXES
from ehrbench.readers.item import Item
from ehrbench.readers.table import read_table
from ehrbench.runs.folder import RunFolder
from ehrbench.text_files import is_utf16, not_utf8

COLUMNS = ("item", "item_id", "id", "instruction_id")
"""What the column of ids may be called: as the package's own files and the releases do."""
FILES = (".csv", ".tsv", *SUFFIXES, ".json", ".jsonl", ".txt")
"""What the names of files of ids end in."""


def parse_samples(text: str) -> tuple[str, ...]:
    """The ids that ``--samples`` means: those of a file of this name, else the text's own, separated by commas.

    A file holds one id per line, or rows (.csv, .tsv, .xlsx, .json, .jsonl) with a column ``item`` and perhaps ``task``.
    An id may be written ``task/id``, which means the item of that task alone.

    Raises:
        UsageError: there is none, or the file is not of such a form.
    """
    path = Path(text).expanduser()
    found = _of_file(path) if _is_file(path) else (one.strip() for one in text.split(","))
    ids = tuple(dict.fromkeys(filter(None, found)))
    if not ids:
        raise UsageError(f"--samples '{text}' names no item; `ehrbench tasks items TASK` lists the ids")
    return ids


def chosen_items(task: str, items: Sequence[Item], samples: Sequence[str] | None, limit: int | None) -> Sequence[Item]:
    """The items that are to be asked, in the data's order: those of the samples, and of these the first ``limit``.

    Args:
        task: its name.
        items: all of the data.
        samples: ids, ``id`` or ``task/id``; None: all.
        limit: None: no limit.
    """
    if samples is not None:
        wanted = set(samples)
        items = [item for item in items if item.id in wanted or f"{task}/{item.id}" in wanted]
    return items[:limit]


def check_samples(samples: Sequence[str], ids: Mapping[str, Sequence[str]]) -> None:
    """Refuse ids that no task has.

    Args:
        samples: asked for.
        ids: of every item, by task.

    Raises:
        UsageError: names the first few, with an id that is close.
    """
    known = {name for task, own in ids.items() for one in own for name in (one, f"{task}/{one}")}
    unknown = [one for one in samples if one not in known]
    if not unknown:
        return
    close = difflib.get_close_matches(unknown[0], sorted(known), n=1)
    meant = f" (did you mean '{close[0]}'?)" if close else ""
    others = f" and {len(unknown) - 1} others" if len(unknown) > 1 else "" if len(samples) > 1 else ", nor is there such a file"
    where = f"task '{next(iter(ids))}' has" if len(ids) == 1 else f"none of the {len(ids)} tasks has"
    no = "no item" if len(ids) == 1 else "an item"
    raise UsageError(f"--samples: {where} {no} '{unknown[0]}'{meant}{others}; `ehrbench tasks items TASK` lists the ids")


def samples_config(items: Sequence[Item]) -> dict[str, Any]:
    """What a run's configuration says of its chosen items; the ids themselves stay in the private part of its folder."""
    return {"n": len(items), "hash": hash_data(sorted(item.id for item in items))}


def asked_items(items: Sequence[Item], config: Mapping[str, Any], folder: RunFolder) -> Sequence[Item]:
    """The items that a run was asked, in the data's order.

    Args:
        items: all of the data.
        config: of the run.
        folder: its folder, which holds the ids of a run of chosen items.

    Raises:
        UsageError: these ids are missing or others.
    """
    if config.get("samples") is None:
        return items[: config["limit"]]
    try:
        ids = set(parse(folder.origin.read_text(encoding="utf-8"))["samples"])
    except (OSError, ValueError, KeyError, TypeError):
        ids = set()
    found = [item for item in items if item.id in ids]
    if samples_config(found) != config["samples"]:
        raise UsageError(
            f"{folder.origin} does not hold the {config['samples']['n']} ids that this run was made of; the same `ehrbench run "
            "--samples …` puts them back, and repeats no call"
        )
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # ids together may be longer than a name can be
        return False


def _of_file(path: Path) -> Iterator[str]:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv", *SUFFIXES):
        table = read_table(path, "the file of item ids")
        for row in table.rows:
            yield _id(f"{path}:{row.line}", dict(zip(table.columns, row.values, strict=True)))
        return
    data = path.read_bytes()
    try:
        if is_utf16(data):
            raise UsageError(f"{path} {not_utf8(data)}")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} {not_utf8(data)}") from None
    if suffix == ".json":
        rows = _parsed(f"{path}", text)
        if not isinstance(rows, list):
            raise UsageError(f"{path}: expected a list of ids, or of objects with a key 'item'")
        for number, row in enumerate(rows, 1):
            yield _id(f"{path}: entry {number}", row)
        return
    for number, line in enumerate(text.splitlines(), 1):
        if suffix == ".jsonl" and line.strip():
            yield _id(f"{path}:{number}", _parsed(f"{path}:{number}", line))
        else:
            yield line.strip()


def _parsed(place: str, text: str) -> Any:
    try:
        return parse(text)
    except json.JSONDecodeError:
        raise UsageError(f"{place}: not JSON; expected an id, or an object with a key 'item'") from None


def _id(place: str, row: Any) -> str:
    """The id of a row, as ``task/id`` where it names the task."""
    if isinstance(row, (str, int)) and not isinstance(row, bool):
        return str(row)
    found = next((row[name] for name in COLUMNS if row.get(name) not in (None, "")), None) if isinstance(row, dict) else None
    if not isinstance(found, (str, int)):
        raise UsageError(f"{place}: no id of an item; expected a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}")
    task = row.get("task")
    return f"{task}/{found}" if isinstance(task, str) and task else str(found)
