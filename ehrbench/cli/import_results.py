"""``ehrbench import``: results of other people's harnesses as rows beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_results(
    files: Annotated[
        list[Path],
        typer.Argument(help="Results of lm-eval (results_*.json), Inspect's .eval or JSON logs, folders of HELM's runs."),
    ],
    out: Annotated[Path, typer.Option(help="File to write, NAME.results.json, in a folder of results.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Bring in results of lm-eval, Inspect and HELM as published rows of the protocol 'foreign', never ranked with ours.

    Numbers, names and provenance are taken; texts are not.
    """
    from ehrbench.errors import UsageError
    from ehrbench.exports.foreign.read import read_foreign
    from ehrbench.exports.formats import refuse_existing
    from ehrbench.results.store import LIST_SUFFIX, write_result
    from ehrbench.terminal.output import print_json

    if not out.name.endswith(LIST_SUFFIX):
        raise UsageError(f"--out {out}: a file of several results is called NAME{LIST_SUFFIX}")
    refuse_existing(out, force)
    results = read_foreign(files)
    write_result(out, results)
    if as_json:
        print_json({"file": str(out), "results": [result.model_dump(mode="json") for result in results]})
        return
    typer.echo(f"{len(results)} row{'' if len(results) == 1 else 's'} of {', '.join(sorted({r.suite for r in results}))}: {out}")
