"""``ehrbench data author``: let a model word MIMIC-Instr's questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ehrbench.suites.mimic_instr.authoring.writing import Written

app = typer.Typer(
    help="Let a model write or reword MIMIC-Instr's questions.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)

_Model = Annotated[str, typer.Option("--model", help="Model that writes, as for `ehrbench run --model`.")]
_ModelArg = Annotated[list[str] | None, typer.Option("--model-arg", help="Argument of the backend, key=value; repeatable.")]
_DataDir = Annotated[
    str | None, typer.Option("--data-dir", help="Folder that holds mimic_instr. [default: $EHRBENCH_DATA or ./data]")
]
_Out = Annotated[Path, typer.Option("--out", help="Folder for the writer's runs.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")]


@app.callback()
def _author() -> None:
    pass


@app.command("paraphrase")
def paraphrase(
    model: _Model,
    split: Annotated[str, typer.Option(help="Split to reword: test_subset, test, val, train or all.")] = "test_subset",
    model_arg: _ModelArg = None,
    data_dir: _DataDir = None,
    out: _Out = Path("results"),
    quiet: _Quiet = False,
) -> None:
    """Reword the prepared questions and answers, as the released ones are; the exact golds stay beside them.

    After an interruption the same command continues where it stopped. A remote model needs an approval, as for a run.
    """
    from ehrbench.models.loading import load_model
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.suites.mimic_instr.authoring import writing
    from ehrbench.terminal.output import key_values
    from ehrbench.terminal.progress import Display

    silence_libraries()
    writer = load_model(model, key_values(model_arg, "--model-arg"), None)
    try:
        with Display(quiet) as show:
            written = writing.paraphrase(_folder(data_dir), split, writer, out, on_event=show)
    finally:
        writer.close()
    _tell(written)


@app.command("reasoning")
def reasoning(
    model: _Model,
    notes: Annotated[Path, typer.Option(help="Folder of MIMIC-IV-Note.")],
    model_arg: _ModelArg = None,
    data_dir: _DataDir = None,
    out: _Out = Path("results"),
    quiet: _Quiet = False,
) -> None:
    """Have one question per admission written from its discharge summary, for the task mimic_instr.reasoning.

    Discharge summaries are credentialed: a remote model needs an approval, as for a run.
    """
    from ehrbench.mimic.tables import Mimic
    from ehrbench.models.loading import load_model
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.suites.mimic_instr.authoring.writing import write_reasoning
    from ehrbench.terminal.output import key_values
    from ehrbench.terminal.progress import Display

    silence_libraries()
    folder = _folder(data_dir)
    release = Mimic(notes)
    rows = release.collect(release.scan("discharge", ["hadm_id", "note_id", "text"]).sort("hadm_id", "note_id"))
    texts = {hadm: text for hadm, _, text in reversed(rows.rows()) if hadm is not None and text}
    writer = load_model(model, key_values(model_arg, "--model-arg"), None)
    try:
        with Display(quiet) as show:
            written = write_reasoning(folder, texts, writer, out, on_event=show)
    finally:
        writer.close()
    _tell(written)


def _folder(data_dir: str | None) -> Path:
    from ehrbench.errors import UsageError
    from ehrbench.readers.data_dir import is_sample, locate
    from ehrbench.tasks.catalog import load_catalog

    if is_sample(data_dir):
        raise UsageError("the bundled sample is not written to; copy it with `ehrbench data sample FOLDER` and name FOLDER")
    return locate(load_catalog().get("mimic_instr.schema").data, data_dir)


def _tell(written: Written) -> None:
    from ehrbench.errors import INCOMPLETE_EXIT_CODE

    typer.echo(f"{written.n_written:,} pairs in {written.path}")
    for n, what in (
        (written.n_unreadable, "items left out, because no question and answer could be read"),
        (written.n_failed, "items failed; the same command tries them again"),
        (written.n_masked, "pairs have a mask (___) in them"),
    ):
        if n:
            typer.echo(f"note: {n:,} {what}", err=True)
    if written.n_failed:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)
