"""Shards: one run's items over several processes or machines, each with a folder of its own, and the run put together again.

Shard 2 of 4 of the run ``<hash>`` is the folder ``<hash>.shard-2-of-4`` beside it. Items on the same record are in one shard.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.jsonl import parse, read_rows, write_atomically, write_rows
from ehrbench.readers.item import Item
from ehrbench.runs.folder import RunFolder
from ehrbench.runs.manifest import read_manifest
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.store import read_predictions

_NAME = re.compile(r"(?P<run>[0-9a-f]{16})\.shard-(?P<index>\d+)-of-(?P<count>\d+)")


@dataclass(frozen=True)
class Shard:
    """Which part of a run's items."""

    index: int
    """From 1."""
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """The shard that ``2/4`` names.

    Raises:
        UsageError: it is not of that form, or there is no such part.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    shard = Shard(int(match[1]), int(match[2])) if match else Shard(0, 0)
    if not 1 <= shard.index <= shard.count:
        raise UsageError(f"--shard '{text}': expected i/n with i from 1 to n, for instance 1/4")
    return shard


def shard_items(items: Sequence[Item], shard: Shard) -> list[tuple[int, Item]]:
    """A shard's items with their places in the dataset: every n-th record with all items on it."""
    groups: dict[str, int] = {}
    chosen = []
    for place, item in enumerate(items):
        name = f"item {item.id}" if item.record_id is None else f"record {item.record_id}"
        if groups.setdefault(name, len(groups)) % shard.count == shard.index - 1:
            chosen.append((place, item))
    return chosen


def shard_folder(folder: RunFolder, shard: Shard) -> RunFolder:
    """Where a shard of a run is answered."""
    return RunFolder(folder.path.with_name(f"{folder.path.name}.shard-{shard.index}-of-{shard.count}"))


def is_shard(path: Path) -> bool:
    """Whether a run's folder is a shard's."""
    return _NAME.fullmatch(path.name) is not None


def write_places(folder: RunFolder, chosen: Iterable[tuple[int, Item]]) -> None:
    """Note in a shard's folder which items it has and where they stand in the dataset."""
    write_atomically(_places(folder), json.dumps([[place, item.id] for place, item in chosen]).encode())


def _places(folder: RunFolder) -> Path:
    return folder.private / "shard.json"


class Merged(NamedTuple):
    """A run that was put together."""

    folder: RunFolder
    shards: int
    items: int
    failed: int
    """Items without an answer, for a server's sake or a record's; an unsharded run tries them again."""


def merge_shards(paths: Sequence[Path]) -> list[Merged]:
    """Put the shards at or below some folders together, each run beside the first of its shards; the shards stay as they are.

    Raises:
        UsageError: there is none, one is missing, there twice, unfinished or of other settings, or a process works on one.
    """
    manifests = [p for path in paths if path.is_dir() for p in sorted(path.rglob("manifest.json"))]
    found = dict.fromkeys(manifest.parent.resolve() for manifest in manifests if is_shard(manifest.parent))
    if not found:
        raise UsageError(f"no shard at or below {', '.join(map(str, paths))}: `ehrbench run --shard 1/4 …` makes one")
    runs: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path in found:
        match = _NAME.fullmatch(path.name)
        assert match is not None
        runs[path.parent.parent.name, path.parent.name, match["run"], match["count"]].append(path)
    for (_, task, run, count), folders in runs.items():
        _check_complete(task, run, int(count), folders)
    return [_merge([RunFolder(path) for path in folders], run) for (_, _, run, _), folders in runs.items()]


def _check_complete(task: str, run: str, count: int, folders: Sequence[Path]) -> None:
    numbers = [int(path.name.split("-")[-3]) for path in folders]
    if twice := sorted({n for n in numbers if numbers.count(n) > 1}):
        raise UsageError(f"{task} {run}: shard {twice[0]}/{count} is there twice; give one of the two folders")
    if lacking := sorted(set(range(1, count + 1)) - set(numbers)):
        some = ", ".join(f"{n}/{count}" for n in lacking[:8]) + (", …" if len(lacking) > 8 else "")
        raise UsageError(
            f"{task} {run}: {len(lacking)} of {count} shards are not there ({some}); run them, or give their folders"
        )


def _merge(shards: Sequence[RunFolder], run: str) -> Merged:
    target = RunFolder(shards[0].path.with_name(run))
    target.make()
    with ExitStack() as locks:
        for folder in (target, *shards):
            locks.enter_context(folder.locked())
        manifests = [read_manifest(folder) for folder in shards]
        if len({manifest["config_hash"] for manifest in manifests}) > 1:
            raise UsageError(f"the shards of {target.path} are of different settings; keep those of one run")
        placed: dict[int, Prediction] = {}
        for folder in shards:
            placed.update(_finished(folder))
        before = read_predictions(target.predictions)
        for place, prediction in placed.items():
            older = before.get(prediction.item)
            if prediction.outcome == "api_error" and older is not None and older.outcome != "api_error":
                placed[place] = older
        ordered = [placed[place] for place in sorted(placed)]
        failed = sum(prediction.outcome == "api_error" for prediction in ordered)
        write_rows(target.predictions, (prediction.row() for prediction in ordered))
        if failed:
            write_rows(target.calls, (row for folder in shards for row in read_rows(folder.calls)))
        if not target.manifest.exists():
            write_atomically(target.manifest, shards[0].manifest.read_bytes())
        if not target.origin.exists() and shards[0].origin.exists():
            write_atomically(target.origin, shards[0].origin.read_bytes())
        return Merged(target, len(shards), len(ordered), failed)


def _finished(folder: RunFolder) -> dict[int, Prediction]:
    """A shard's predictions by place."""
    try:
        places = parse(_places(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(f"{_places(folder)} is missing or damaged; run this shard again, which repeats no call") from None
    predictions = read_predictions(folder.predictions)
    unfinished = [item for _, item in places if item not in predictions]
    if unfinished:
        raise UsageError(
            f"{folder.path}: {len(unfinished)} of {len(places)} items have no answer yet (first: {unfinished[0]}); run this "
            "shard again, which continues where it stopped"
        )
    return {place: predictions[item] for place, item in places}
