"""``ehrbench leaderboard``: build the static site, look at it, check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(no_args_is_help=True, help="Build, check and look at the static leaderboard.")

_OUT = Path("leaderboard-site")


@app.command("build")
def build_command(
    results: Annotated[Optional[list[Path]], typer.Argument(help="Folders with results. Default: results.")] = None,  # noqa: UP045
    out: Annotated[Path, typer.Option("--out", help="Folder of the site.")] = _OUT,
    title: Annotated[str, typer.Option("--title", help="Stands at the head of every page.")] = "",
    published: Annotated[bool, typer.Option("--published/--no-published", help="Show the papers' tables too.")] = True,
    data_dir: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--data-dir", help="Search this data, too, for text and ids that must not be in the site."),
    ] = None,
    reviewed_by: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--reviewed-by", help="Who has read every text of credentialed results; those nobody can judge are withheld."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build the site from result files; it opens from a file, without a network."""
    from ehrbench.assets import asset_dir
    from ehrbench.errors import UsageError
    from ehrbench.leaderboard.build import TITLE, build
    from ehrbench.terminal.output import print_json

    folders = results or [Path("results")]
    for folder in results or []:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; name the folders that hold results")
    folders = [*folders, *([asset_dir("published")] if published else [])]
    built = build(folders, out, title=title or TITLE, data_dir=data_dir, reviewed_by=reviewed_by)
    index = out / "index.html"
    if as_json:
        print_json(
            {
                "index": str(index),
                "results": built.n_results,
                "pages": built.n_pages,
                "bytes": built.n_bytes,
                "left_out": built.problems,
                "withheld": built.withheld,
            }
        )
        return
    for problem in built.problems:
        typer.echo(f"left out: {problem}", err=True)
    for line in built.withheld:
        typer.echo(f"ehrbench: {line}", err=True)
    typer.echo(f"{built.n_pages} pages from {built.n_results} results ({built.n_bytes / 1e6:.1f} MB): {index}")


@app.command("check")
def check_command(
    site: Annotated[Path, typer.Argument(help="The site's folder.")] = _OUT,
    results: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--results", help="Folders with runs whose private parts the site must not quote. Default: results."),
    ] = None,
    data_dir: Annotated[Optional[Path], typer.Option("--data-dir", help="The data that the runs were made on.")] = None,  # noqa: UP045
    reviewed_by: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--reviewed-by", help="Who has read the whole site; needed where a run's data cannot be opened."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Prove that a site holds nothing private, no cell of too few patients and no broken page; exit 4 on a finding."""
    from ehrbench.errors import PolicyError
    from ehrbench.leaderboard.check import check_site
    from ehrbench.terminal.output import print_json

    findings = check_site(site, results or [Path("results")], data_dir, reviewed_by=reviewed_by)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    for finding in [] if as_json else findings:
        typer.echo(str(finding))
    if findings:
        raise typer.Exit(PolicyError.exit_code)
    if not as_json:
        typer.echo(f"{site}: nothing private, links and pages in order.")


@app.command("serve")
def serve_command(
    site: Annotated[Path, typer.Argument(help="The site's folder.")] = _OUT,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")] = 8000,
) -> None:
    """Serve the site to this machine only."""
    from ehrbench.leaderboard.serve import serve

    serve(site, port, typer.echo)
