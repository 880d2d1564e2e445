"""What the commands of ``ehrbench data prepare`` share: options, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

MimicFolder = Annotated[str, typer.Option(help="Folder of MIMIC-IV, with hosp/ and icu/; or 'sample'.")]
EdFolder = Annotated[Path | None, typer.Option(help="Folder of MIMIC-IV-ED, if it is not inside MIMIC-IV's.")]
NotesFolder = Annotated[Path | None, typer.Option(help="Folder of MIMIC-IV-Note, if it is not inside MIMIC-IV's.")]
SplitFile = Annotated[
    Path | None, typer.Option(help="CSV with the columns split and subject_id (or hadm_id), in place of ehrbench's own split.")
]
CacheFolder = Annotated[Path | None, typer.Option(help="Folder for Parquet copies of the tables, which make repeats faster.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def out_option(suite: str) -> Any:
    """``--out`` of a suite."""
    return typer.Option(help=f"Where to write. [default: {suite} in $EHRBENCH_DATA or ./data]")


def release(mimic: str) -> Path:
    """The folder of MIMIC-IV; the word ``sample`` names the synthetic one."""
    from ehrbench.readers.samples import SAMPLE_WORD, ensure_sample

    return ensure_sample("mimic") if mimic == SAMPLE_WORD else Path(mimic)


def target_folder(out: Path | None, suite: str) -> Path:
    """Where to write a suite.

    Raises:
        UsageError: no folder is named, and the data folder is the word ``sample``.
    """
    from ehrbench.errors import UsageError
    from ehrbench.readers.data_dir import chosen_data_dir, is_sample

    if out is None and is_sample(None):
        raise UsageError("$EHRBENCH_DATA is 'sample', which is not a folder to write to; name one with --out")
    return Path(chosen_data_dir(None)) / suite if out is None else out


def say(silent: bool) -> Callable[[str], None]:
    """Prints progress, unless JSON is asked for."""
    return (lambda _: None) if silent else (lambda line: typer.echo(f"… {line}", err=True))


def say_repeated(repeated: Mapping[str, int]) -> None:
    """Tell how many rows of each table were left out because it has them twice."""
    for table, n in repeated.items():
        typer.echo(f"note: {n:,} rows of {table} left out, of which the table has an exact copy", err=True)


def licence(open_data: bool) -> str:
    """Under which terms the written files are."""
    return "the open demo: ODbL 1.0" if open_data else "credentialed data"
