"""Opening a data set with ``datasets``, and its rows as plain values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.readers.hf.package import private_cache, require_datasets

KINDS = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".jsonl": "json"}
_MEDIA = frozenset({"Image", "Audio", "Video", "Pdf", "Nifti", "Mesh"})
_BYTES = frozenset({"binary", "large_binary", "binary_view"})


def open_saved(folder: Path, split: str | None, *, whole: bool = False) -> Any:
    """What ``save_to_disk`` wrote, memory-mapped.

    Args:
        folder: where it lies.
        split: None: the only one, or ``test``.
        whole: all splits, one after another, in place of one.
    """
    datasets = require_datasets()
    try:
        found = datasets.load_from_disk(str(folder))
    except Exception as error:  # pyarrow's and datasets' own, whose texts may show a row
        raise _unreadable(folder, error) from None
    if isinstance(found, datasets.DatasetDict):
        if whole:
            return datasets.concatenate_datasets(list(found.values()))
        return found[_split(str(folder), split, list(found))]
    if split is not None and found.split is not None and split != str(found.split):
        raise UsageError(f"{folder} holds the split {found.split}; data.options.split is '{split}'")
    return found


def open_files(files: Sequence[Path], streaming: bool) -> Any:
    """Files of one kind, in their order. Arrow files are memory-mapped where they lie, others by way of a copy of this process's.

    Raises:
        UsageError: files of several kinds, or of none that is known.
    """
    kinds = sorted({file.suffix.lower() for file in files})
    if len({KINDS.get(kind) for kind in kinds}) != 1 or kinds[0] not in KINDS:
        raise UsageError(
            f"data.options.files names files with the endings {', '.join(kinds) or 'none'}; expected one of {', '.join(KINDS)}"
        )
    datasets = require_datasets()
    try:
        if KINDS[kinds[0]] == "arrow" and not streaming:
            return datasets.concatenate_datasets([datasets.Dataset.from_file(str(file)) for file in files])
        return datasets.load_dataset(
            KINDS[kinds[0]],
            data_files={"test": [str(file) for file in files]},
            split="test",
            streaming=streaming,
            cache_dir=private_cache(),
        )
    except Exception as error:
        raise _unreadable(files[0] if len(files) == 1 else files[0].parent, error) from None


def open_repository(folder: Path, name: str, config: str | None, split: str | None, *, streaming: bool, is_hub: bool) -> Any:
    """A folder laid out as a data set of the hub.

    Args:
        folder: where it lies.
        name: for messages.
        config: one of its configurations; None: the only one, or the default.
        split: None: the only one, or ``test``.
        streaming: read the files as they are iterated, without an Arrow copy.
        is_hub: of the hub's cache, so that the package's own cache keeps the Arrow copy.

    Raises:
        UsageError: no such configuration or split, or files that cannot be read.
    """
    datasets = require_datasets()
    cache = None if is_hub else private_cache()
    try:
        configs = datasets.get_dataset_config_names(str(folder))
    except Exception as error:
        raise _unreadable(name, error) from None
    if config is not None and config not in configs:
        raise UsageError(f"{name}: {unknown_name('configuration', config, configs)}; data.options.config names one")
    if config is None and len(configs) > 1 and "default" not in configs:
        raise UsageError(f"{name} has the configurations {', '.join(configs)}; choose one with data.options.config")
    try:
        builder = datasets.load_dataset_builder(str(folder), config, cache_dir=cache)
        splits = [str(one) for one in (builder.config.data_files or builder.info.splits or {})]
    except Exception as error:
        raise _unreadable(name, error) from None
    chosen = _split(name, split, splits)
    try:
        return datasets.load_dataset(str(folder), config, split=chosen, streaming=streaming, cache_dir=cache)
    except Exception as error:
        raise _unreadable(name, error) from None


def _split(name: str, wanted: str | None, known: Sequence[str]) -> str:
    if wanted is None:
        if len(known) == 1:
            return known[0]
        wanted = "test"
    if wanted not in known:
        raise UsageError(f"{name}: {unknown_name('split', wanted, known)}; data.options.split names one")
    return wanted


def _unreadable(name: Path | str, error: Exception) -> Exception:
    kind = type(error).__name__
    if isinstance(error, ConnectionError) or "Offline" in kind:
        return MissingError(f"{name}: its files lie elsewhere ({kind}), and nothing is fetched; download them first")
    return UsageError(f"{name} is not a data set that datasets can read ({kind}); load it with datasets itself to see why")


def text_columns(data: Any) -> tuple[Any, list[str]]:
    """The data set without columns of pictures, sound or bytes, which no prompt can show, and those columns' names."""
    left_out = [name for name, feature in (data.features or {}).items() if not _is_plain(feature)]
    return (data.remove_columns(left_out) if left_out else data), left_out


def _is_plain(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return all(_is_plain(one) for one in feature.values())
    if isinstance(feature, (list, tuple)):
        return all(_is_plain(one) for one in feature)
    if type(feature).__name__ in _MEDIA or getattr(feature, "dtype", None) in _BYTES:
        return False
    inner = getattr(feature, "feature", None)
    return inner is None or _is_plain(inner)


def plain_rows(data: Any) -> Iterator[dict[str, Any]]:
    """Rows as JSON can hold them: names of classes instead of their numbers, dates as ISO 8601, None for NaN."""
    features = data.features or {}
    for row in data:
        yield {name: _plain(value, features.get(name)) for name, value in row.items()}


def _plain(value: Any, feature: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        names = getattr(feature, "names", None)
        return names[value] if names and 0 <= value < len(names) else None if names else value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        parts = feature if isinstance(feature, Mapping) else {}
        return {str(key): _plain(one, parts.get(key)) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        inner = feature[0] if isinstance(feature, (list, tuple)) and feature else getattr(feature, "feature", None)
        return [_plain(one, inner) for one in value]
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise UsageError(f"a value of the data is a {type(value).__name__}, which no prompt can show")
