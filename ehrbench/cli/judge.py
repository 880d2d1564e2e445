"""``ehrbench judge``: a judge model's relative scores of runs against a reference run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import LogFile, Verbose, start_logging

if TYPE_CHECKING:
    from ehrbench.judge.report import JudgedRun
    from ehrbench.scoring.loaded import LoadedRun


def judge(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders to judge, or folders above them; several of one model are also pooled.")
    ],
    by: Annotated[
        list[str],
        typer.Option("--judge", help="Model that judges, as for `ehrbench run --model`; repeatable for several judges."),
    ],
    reference: Annotated[
        list[Path], typer.Option(help="Runs of the reference model on the same tasks, or a folder above them; repeatable.")
    ],
    protocol: Annotated[
        str, typer.Option(help="Protocol: clean (both orders, retries) or paper (the published order and formula).")
    ] = "clean",
    judge_arg: Annotated[
        list[str] | None, typer.Option("--judge-arg", help="Argument of the judge's backend, key=value; repeatable.")
    ] = None,
    structured: Annotated[
        bool,
        typer.Option(
            "--structured",
            help="Ask the judge's server for JSON of a fixed form, which not every server can give.",
        ),
    ] = False,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases. [default: where they were at the time of the run]")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the judge's own runs.")] = Path("results"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Judge answers against a reference model's. The same command continues where it stopped; no verdict is bought twice."""
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, UsageError
    from ehrbench.judge.judging import judge_run, with_structured_output
    from ehrbench.judge.report import JudgedRun, judge_agreement, judge_result, write_judgement
    from ehrbench.models.loading import load_model
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.scoring.loaded import find_runs, load_run
    from ehrbench.terminal.output import key_values, print_json, print_result
    from ehrbench.terminal.progress import Display

    if protocol not in ("clean", "paper"):
        raise UsageError(f"--protocol is '{protocol}': expected clean or paper")
    silence_libraries()
    start_logging(verbose, log_file)
    candidates = [load_run(folder, data_dir) for folder in find_runs(runs)]
    references: dict[str, LoadedRun] = {}
    for one in (load_run(folder, data_dir) for folder in find_runs(reference)):
        if (other := references.setdefault(one.task.task, one)) is not one:
            raise UsageError(
                f"two --reference runs of task '{one.task.task}', {other.folder.path} and {one.folder.path}; name one"
            )
    for candidate in candidates:
        if candidate.task.task not in references:
            raise UsageError(f"no --reference run of task '{candidate.task.task}', which {candidate.folder.path} is a run of")
    by_judge: list[list[JudgedRun]] = []
    for spec in by:
        arguments = key_values(judge_arg, "--judge-arg")
        model = load_model(spec, with_structured_output(spec, arguments) if structured else arguments, None)
        try:
            judged = []
            for c in candidates:
                r = references[c.task.task]
                synthetic = bool(c.manifest.get("synthetic"))
                with Display(quiet) as show:
                    verdicts = judge_run(c, r, model, protocol, out, synthetic=synthetic, on_event=show)  # type: ignore[arg-type]
                judged.append(JudgedRun(c, r, model.identity, verdicts))
                write_judgement(judged[-1], protocol)  # type: ignore[arg-type]
            by_judge.append(judged)
        finally:
            model.close()
    results = [judge_result([one], protocol) for judged in by_judge for one in judged]  # type: ignore[arg-type]
    for judged in by_judge:
        for model_runs in _by_model(judged):
            results += [judge_result(model_runs, protocol)] if len(model_runs) > 1 else []  # type: ignore[arg-type]
    agreement = judge_agreement(by_judge)
    if as_json:
        print_json({"results": [r.model_dump(mode="json") for r in results], "agreement_alpha": agreement})
    else:
        for result in results:
            print_result(result)
            for caveat in result.caveats:
                typer.echo(caveat)
        if len(by_judge) > 1:
            shown = "not defined" if agreement is None else f"{agreement:.3f}"
            typer.echo(f"\nagreement of the judges, Krippendorff's alpha (interval): {shown}")
    if any(one.judgement.failed_calls for judged in by_judge for one in judged):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


def _by_model(judged: list[JudgedRun]) -> list[list[JudgedRun]]:
    found: dict[str, list[JudgedRun]] = {}
    for one in judged:
        found.setdefault(one.candidate.manifest["config"]["model"]["name"], []).append(one)
    return list(found.values())
