"""The formats that results are exported to, by name."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ehrbench.errors import UsageError, unknown_name
from ehrbench.exports import every_eval_ever, frames, inspect_log, lm_eval_results, model_index
from ehrbench.jsonl import write_atomically
from ehrbench.results.schema import Result

PUBLIC = 0o644


@dataclass(frozen=True)
class Format:
    """One format of aggregated results."""

    about: str
    """What it is, in a phrase."""
    files: Callable[[Sequence[Result]], Mapping[str, bytes]]
    """The files of some results, by the name below the target."""


FORMATS: Mapping[str, Format] = {
    "csv": Format("a table, one row per result and metric", frames.csv),
    "parquet": Format("the same as Parquet", frames.parquet),
    "every-eval-ever": Format("Every Eval Ever, aggregate JSON", every_eval_ever.files),
    "inspect": Format("logs of Inspect, one .eval file per result, without samples", inspect_log.files),
    "lm-eval": Format("lm-eval's results JSON", lm_eval_results.files),
    "model-index": Format("Hugging Face model cards' model-index, one YAML file per model", model_index.files),
}


def export(results: Sequence[Result], name: str, out: Path, *, force: bool = False) -> list[Path]:
    """Write results in a format, all files or none.

    Args:
        results: as they may be published.
        name: of the format.
        out: a folder that is not there yet; with ``force`` one that is replaced.
        force: replace it.

    Returns:
        The files.

    Raises:
        UsageError: no such format, or ``out`` is there.
    """
    if name not in FORMATS:
        raise UsageError(unknown_name("format", name, [*FORMATS, "meds", "mlflow"]))
    return write_files(lambda: FORMATS[name].files(results), out, force=force)


def write_files(make: Callable[[], Mapping[str, bytes]], out: Path, *, force: bool = False) -> list[Path]:
    """Write files into a new folder, all or none.

    Args:
        make: gives the files by their names below the folder; asked when the folder may be written.
        out: a folder that is not there yet; with ``force`` one that is replaced.
        force: replace it.

    Raises:
        UsageError: ``out`` is there, or is a file.
    """
    refuse_existing(out, force)
    if out.is_file():
        raise UsageError(f"{out} is a file; --out names a folder")
    files = make()
    with new_folder(out) as scratch:
        for file, content in files.items():
            path = scratch / file
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content, mode=PUBLIC)
    return [out / file for file in files]


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A scratch folder that becomes ``out``, in place of one that is there, when all is written; nothing changes otherwise."""
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        if out.is_dir():
            shutil.rmtree(out)
        scratch.replace(out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def refuse_existing(out: Path, force: bool) -> None:
    """Raise UsageError where a target is there and is not to be replaced."""
    if out.exists() and not force:
        raise UsageError(f"{out} is there already; choose another --out, or give --force to replace it")
