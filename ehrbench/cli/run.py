"""``ehrbench run``: answer and score tasks with a model."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import ScoreOptions

if TYPE_CHECKING:
    from ehrbench.models.protocol import Model
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.prepared import Prepared


@dataclass(frozen=True, kw_only=True)
class Run(ScoreOptions):
    """Run tasks. The same command again continues an interrupted run and repeats nothing that is finished."""

    shard: Annotated[
        str | None,
        typer.Option(help="Part of the items to answer, I/N for the I-th of N; `ehrbench merge` puts the parts together."),
    ] = None
    executor: Annotated[str, typer.Option(help="Where the model runs: local, or ray (copies on a Ray cluster).")] = "local"
    ray_address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster, HOST:6379 or auto. [default: a cluster started on this machine]"),
    ] = None
    ray_actors: Annotated[
        int | None,
        typer.Option(min=1, help="Number of copies of the model. [default: one per GPU, or one per machine without GPUs]"),
    ] = None
    ray_gpus: Annotated[
        float | None, typer.Option(min=0, help="Number of GPUs of each copy. [default: 1 if the cluster has any]")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print sizes, calls and cost without calling the model.")] = False
    show_prompt: Annotated[
        str | None,
        typer.Option(help="Print the exact prompt of the item with this id, which holds record text, without calling the model."),
    ] = None

    def run(self) -> None:
        """Answer, score and report."""
        from ehrbench.cli.report import metric_names, report
        from ehrbench.errors import INTERRUPTED_EXIT_CODE
        from ehrbench.evaluation import answer_and_score, prepare_all, score_groups
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.tasks.catalog import load_catalog
        from ehrbench.terminal.progress import Display

        start_logging(self.verbose, self.log_file)
        options = self.run_options()
        arguments = self.metric_arguments()
        names = metric_names(self.metrics, arguments)
        silence_libraries()
        catalog = load_catalog(options.include_paths)
        chosen = catalog.select(self.tasks, options.protocol)
        answering = self._load(options)
        try:
            with Display(self.quiet) as show:
                prepared = prepare_all(chosen, answering, options, allow_partial=self.allow_partial, on_event=show)
                if self.dry_run or self.show_prompt is not None:
                    _print_dry_run(prepared, self.show_prompt, self.as_json)
                    return
                score = not self.no_score
                finished = [answer_and_score(one, names, arguments, score=score, on_event=show) for one in prepared]
        except KeyboardInterrupt:
            typer.echo("ehrbench: interrupted; what is finished is kept; the same command continues from there", err=True)
            raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
        finally:
            answering.close()
        groups = score_groups(finished, catalog, options, allow_partial=self.allow_partial)
        report(finished, groups, as_json=self.as_json)

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


def _print_dry_run(prepared: "Sequence[Prepared]", show_prompt: str | None, as_json: bool) -> None:
    from ehrbench.runs.dry_run import estimate_run, exact_prompt, total_of
    from ehrbench.terminal.output import print_json

    if show_prompt is not None:
        for message in exact_prompt(prepared, show_prompt):
            typer.echo(message)
        return
    estimates = [estimate_run(run) for run in prepared]
    if as_json:
        print_json([e._asdict() for e in estimates])
        return
    for e in estimates:
        typer.echo(
            f"{e.task}: {e.items} items, {e.calls} calls; {e.prompt_tokens:,} prompt tokens, {e.largest_prompt:,} in the largest "
            f"({e.tokenizer}); at most {e.answer_tokens:,} answer tokens; {e.cut} records cut, {e.overflow} items do not fit"
            + (f", {e.unreadable} have a record that cannot be read" if e.unreadable else "")
            + (f"; about ${e.cost:.2f}" if e.cost is not None else "; cost unknown: no price is given for this model")
        )
    if len(estimates) > 1:
        total = total_of(estimates)
        typer.echo(
            f"all {len(estimates)} tasks: {total.items} items, {total.calls} calls; {total.prompt_tokens:,} prompt tokens; "
            f"at most {total.answer_tokens:,} answer tokens" + (f"; about ${total.cost:.2f}" if total.cost is not None else "")
        )
