"""``ehrbench run``: answer and score tasks with a model."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import ANSWER, ITEMS, MODEL_HELP, OUTPUT, PLACE, WHAT, ScoreOptions
from ehrbench.cli.run_file import read_run_file

if TYPE_CHECKING:
    from ehrbench.cli.report import Failed
    from ehrbench.evaluation import Finished
    from ehrbench.models.protocol import Model
    from ehrbench.results.groups import GroupResult
    from ehrbench.results.repeats import Repeats
    from ehrbench.runs.dry_run import Estimate
    from ehrbench.runs.loggers.logger import Logger
    from ehrbench.runs.options import RunOptions
    from ehrbench.tasks.catalog import Catalog


@dataclass
class Done:
    """What has been done so far, over all models."""

    finished: "list[Finished]" = field(default_factory=list)
    groups: "list[GroupResult]" = field(default_factory=list)
    repeats: "list[Repeats]" = field(default_factory=list)
    estimates: "list[tuple[str, Estimate]]" = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Models:
    model: Annotated[
        list[str],
        typer.Option(help=f"{MODEL_HELP}; repeatable: models are loaded one after another.", rich_help_panel=WHAT),
    ]


@dataclass(frozen=True, kw_only=True)
class Run(ScoreOptions, _Models):
    """Run models on tasks. The same command again continues an interrupted run and repeats nothing that is finished."""

    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with options of this command as keys; those of the command line win over it.",
            is_eager=True,
            callback=read_run_file,
            rich_help_panel=WHAT,
        ),
    ] = None

    seeds: Annotated[
        str | None,
        typer.Option(
            help="Repeat each run under these seeds, as 0,1,2, and report means over items and seeds; greedy tasks run once.",
            rich_help_panel=ANSWER,
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(
            help="Part of the items to answer, I/N for the I-th of N; `ehrbench merge` puts the parts together.",
            rich_help_panel=ITEMS,
        ),
    ] = None
    executor: Annotated[
        str, typer.Option(help="Where the model runs: local, or ray (copies on a Ray cluster).", rich_help_panel=PLACE)
    ] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Address of the Ray cluster, HOST:6379 or auto. [default: a cluster started on this machine]",
            rich_help_panel=PLACE,
        ),
    ] = None
    ray_actors: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of copies of the model. [default: one per GPU, or one per machine without GPUs]",
            rich_help_panel=PLACE,
        ),
    ] = None
    ray_gpus: Annotated[
        float | None,
        typer.Option(min=0, help="Number of GPUs of each copy. [default: 1 if the cluster has any]", rich_help_panel=PLACE),
    ] = None
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            help="Log numbers of the runs while they go on, SERVICE[:PLACE]: mlflow, wandb or trackio; repeatable.",
            rich_help_panel=OUTPUT,
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print sizes, calls and cost without calling the model.", rich_help_panel=OUTPUT)
    ] = False
    show_prompt: Annotated[
        str | None,
        typer.Option(
            help="Print the exact prompt of the item with this id, which holds record text, without calling the model.",
            rich_help_panel=OUTPUT,
        ),
    ] = None

    def run(self) -> None:
        """Answer, score and report."""
        from time import monotonic

        from ehrbench.cli.report import Failed, metric_names, report
        from ehrbench.errors import INTERRUPTED_EXIT_CODE, MissingDataError, UsageError
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.runs.seeds import parse_seeds
        from ehrbench.tasks.catalog import load_catalog

        start_logging(self.verbose, self.log_file)
        began = monotonic()
        if twice := next((name for name in self.model if self.model.count(name) > 1), None):
            raise UsageError(f"--model {twice} is given twice; give each model once")
        if self.show_prompt is not None and len(self.model) > 1:
            raise UsageError("--show-prompt shows what one model would be asked; give one --model")
        if self.seeds is not None and self.seed:
            raise UsageError(f"--seed {self.seed} and --seeds {self.seeds} exclude each other; give one of them")
        seeds = () if self.seeds is None else parse_seeds(self.seeds)
        every = [self.run_options(model) for model in self.model]
        arguments = self.metric_arguments()
        names = metric_names(self.metrics, arguments)
        silence_libraries()
        catalog = load_catalog(every[0].include_paths)
        catalog.select(self.tasks, every[0].protocol)
        done = Done()
        failed: list[Failed] = []
        try:
            for place, options in enumerate(every, 1):
                try:
                    self._run_model(options, catalog, names, arguments, seeds, done)
                except MissingDataError:  # the other models would miss them too
                    raise
                except Exception as error:
                    if len(every) == 1:
                        raise
                    failed.append(Failed.of(options.model, error))
                    rest = "; the other models go on" if place < len(every) else ""
                    typer.echo(f"ehrbench: {options.model}: {failed[-1].said}{rest}", err=True)
        except KeyboardInterrupt:
            typer.echo("ehrbench: interrupted; what is finished is kept; the same command continues from there", err=True)
            raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
        if self.show_prompt is None and self.dry_run:
            print_estimates(done.estimates, failed, self.as_json, loggers=every[0].log_to)
        elif self.show_prompt is None:
            report(
                done.finished, done.groups, repeats=done.repeats, failed=failed, seconds=monotonic() - began, as_json=self.as_json
            )

    def _run_model(
        self,
        options: "RunOptions",
        catalog: "Catalog",
        names: list[str] | None,
        arguments: "Mapping[str, str]",
        seeds: "Sequence[int]",
        done: "Done",
    ) -> None:
        """All tasks with one model, which is loaded once."""
        from ehrbench.evaluation import answer_and_score, prepare_all, score_groups, score_repeats
        from ehrbench.runs.dry_run import estimate_run, exact_prompt
        from ehrbench.runs.seeds import with_seeds
        from ehrbench.terminal.progress import Display

        chosen = catalog.select(self.tasks, options.protocol)
        answering = self._load(options)
        finished = []
        try:
            with Display(self.quiet) as show:
                prepared = prepare_all(chosen, answering, options, allow_partial=self.allow_partial, on_event=show)
                if self.show_prompt is not None:
                    for message in exact_prompt(prepared, self.show_prompt):
                        typer.echo(message)
                    return
                prepared = [run for one in prepared for run in with_seeds(one, seeds, show)]
                if self.dry_run:
                    done.estimates += [(options.model, estimate_run(run)) for run in prepared]
                    return
                for one in prepared:
                    finished.append(answer_and_score(one, names, arguments, score=not self.no_score, on_event=show))
                    done.finished.append(finished[-1])
        finally:
            answering.close()
        done.repeats += score_repeats(finished)
        done.groups += score_groups(finished, catalog, options, allow_partial=self.allow_partial)

    def _load(self, options: "RunOptions") -> "Model":
        """The model, in this process or in copies on a cluster."""
        from ehrbench.errors import UsageError
        from ehrbench.evaluation import load
        from ehrbench.models.capabilities import IntroducesItself

        if self.executor not in ("local", "ray"):
            raise UsageError(f"--executor is '{self.executor}': expected local, ray")
        model = load(options)
        if isinstance(model, IntroducesItself):
            typer.echo(f"ehrbench: {model.identity.name}: {model.introduction}", err=True)
        placed = (self.ray_address, self.ray_actors, self.ray_gpus)
        if self.executor == "ray":
            from ehrbench.runs.ray_executor import Layout, RayModel, Spec

            return RayModel(model, Spec(options.model, options.model_args, options.model_window), Layout(*placed))
        if placed != (None, None, None):
            raise UsageError("--ray-address, --ray-actors and --ray-gpus have a meaning only with --executor ray")
        return model


def print_estimates(
    estimates: "Sequence[tuple[str, Estimate]]",
    failed: "Sequence[Failed]" = (),
    as_json: bool = False,
    prices: str = "no price is given for this model",
    loggers: "Sequence[Logger]" = (),
) -> None:
    """Print what runs would take.

    Args:
        estimates: each with its model.
        failed: models that could not be estimated.
        as_json: print JSON.
        prices: what is said where no cost is known.
        loggers: who would be told numbers.
    """
    from ehrbench.cli.report import print_loggers
    from ehrbench.errors import worst_exit_code
    from ehrbench.runs.dry_run import total_of
    from ehrbench.terminal.output import print_json

    several = len({model for model, _ in estimates}) > 1
    if as_json:
        more = {"log_to": [str(one) for one in loggers]} if loggers else {}
        print_json([{**({"model": model} if several else {}), **e._asdict(), **more} for model, e in estimates])
        estimates, loggers = [], []
    for model, e in estimates:
        typer.echo(
            (f"{model}, " if several else "")
            + f"{e.task}: {e.items} items, {e.calls} calls; {e.prompt_tokens:,} prompt tokens, {e.largest_prompt:,} in the "
            f"largest ({e.tokenizer}); at most {e.answer_tokens:,} answer tokens; {e.cut} records cut, "
            f"{e.overflow} items do not fit"
            + (f", {e.unreadable} have a record that cannot be read" if e.unreadable else "")
            + (f"; about ${e.cost:.2f}" if e.cost is not None else f"; cost unknown: {prices}")
        )
    if len(estimates) > 1:
        total = total_of([one for _, one in estimates])
        what = f"all {len(estimates)} runs" if several else f"all {len(estimates)} tasks"
        typer.echo(
            f"{what}: {total.items} items, {total.calls} calls; {total.prompt_tokens:,} prompt tokens; "
            f"at most {total.answer_tokens:,} answer tokens" + (f"; about ${total.cost:.2f}" if total.cost is not None else "")
        )
    print_loggers(loggers)
    if code := worst_exit_code([one.exit_code for one in failed]):
        raise typer.Exit(code)
