"""``ehrbench leaderboard``: build the static site, look at it, check it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(no_args_is_help=True, help="Build, check and look at the static leaderboard.")

_OUT = Path("leaderboard-site")


_Results = Annotated[Optional[list[Path]], typer.Argument(help="Folders with results. [default: results]")]  # noqa: UP045
_Title = Annotated[str, typer.Option("--title", help="Title shown at the top of every page.")]
_Published = Annotated[bool, typer.Option("--published/--no-published", help="Also show the tables of the papers.")]
_DataDir = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--data-dir", help="Folder of further data to search for text and ids that must not be in the site."),
]
_Include = Annotated[
    Optional[list[Path]],  # noqa: UP045
    typer.Option("--include-path", help="Folder with tasks of your own, for their titles; repeatable."),
]
_Reviewed = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--reviewed-by", help="Name of the person who has read every text of credentialed results; unread ones are withheld."
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("build")
def build_command(
    results: _Results = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the site.")] = _OUT,
    title: _Title = "",
    published: _Published = True,
    data_dir: _DataDir = None,
    include_path: _Include = None,
    reviewed_by: _Reviewed = None,
    as_json: _Json = False,
) -> None:
    """Build the site from result files; it opens from a file, without a network. Only pages that change are written."""
    _build(results, out, title, published, data_dir, include_path, reviewed_by, as_json, "")


@app.command("publish-pages")
def publish_pages_command(
    address: Annotated[str, typer.Argument(help="Address where the site will be, as https://name.github.io/leaderboard/")],
    results: _Results = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the site.")] = Path("leaderboard-public"),
    title: _Title = "",
    published: _Published = True,
    data_dir: _DataDir = None,
    include_path: _Include = None,
    reviewed_by: _Reviewed = None,
    as_json: _Json = False,
) -> None:
    """Build the site for a public host: the same pages, a 404 page, a site map, robots.txt and a picture for links.

    Nothing is uploaded: copy the folder to the host.
    """
    _build(results, out, title, published, data_dir, include_path, reviewed_by, as_json, address)


@app.command("models")
def models_command(
    folders: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(help="Folders with a models.yaml. [default: results, beside the shipped file]"),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Check models.yaml: unknown keys, names that two models claim, bases that go round in circles. Exit 2 on a fault."""
    from ehrbench.assets import asset_dir
    from ehrbench.errors import UsageError
    from ehrbench.results.models import read_models
    from ehrbench.terminal.output import print_json

    registry, faults = read_models([asset_dir("published"), *(folders or [Path("results")])])
    if as_json:
        print_json({"models": [card.model_dump(mode="json") for card in registry.cards.values()], "faults": faults})
    else:
        for fault in faults:
            typer.echo(fault)
        typer.echo(f"{len(registry.cards)} models, {len(faults)} faults")
    if faults:
        raise typer.Exit(UsageError.exit_code)


def _build(
    results: list[Path] | None,
    out: Path,
    title: str,
    published: bool,
    data_dir: Path | None,
    include_paths: list[Path] | None,
    reviewed_by: str | None,
    as_json: bool,
    address: str,
) -> None:
    from ehrbench.assets import asset_dir
    from ehrbench.errors import UsageError
    from ehrbench.leaderboard.build import TITLE, build
    from ehrbench.terminal.output import print_json

    folders = results or [Path("results")]
    for folder in results or []:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder; name the folders that hold results")
    built = build(
        [*folders, *([asset_dir("published")] if published else [])],
        out,
        title=title or TITLE,
        data_dir=data_dir,
        include_paths=include_paths or [],
        address=address,
        reviewed_by=reviewed_by,
    )
    index = out / "index.html"
    if as_json:
        print_json(
            {
                "index": str(index),
                "results": built.n_results,
                "pages": built.n_pages,
                "bytes": built.n_bytes,
                "files_written": built.n_changed,
                "left_out": built.problems,
                "withheld": built.withheld,
            }
        )
        return
    for problem in built.problems:
        typer.echo(f"left out: {problem}", err=True)
    for line in built.withheld:
        typer.echo(f"ehrbench: {line}", err=True)
    size = f"{built.n_bytes / 1e6:.1f} MB, {built.n_changed} files written"
    typer.echo(f"{built.n_pages} pages from {built.n_results} results ({size}): {index}")


@app.command("check")
def check_command(
    site: Annotated[Path, typer.Argument(help="Folder of the site.")] = _OUT,
    results: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--results", help="Folders with runs whose private parts the site must not quote. [default: results]"),
    ] = None,
    data_dir: Annotated[Optional[Path], typer.Option("--data-dir", help="Folder of the data that the runs were made on.")] = None,  # noqa: UP045
    reviewed_by: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--reviewed-by", help="Name of the person who has read the whole site; needed if the data of a run cannot be opened."
        ),
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
    site: Annotated[Path, typer.Argument(help="Folder of the site.")] = _OUT,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0 takes any free port.")] = 8000,
) -> None:
    """Serve the site to this machine only."""
    from ehrbench.leaderboard.serve import serve

    serve(site, port, typer.echo)
