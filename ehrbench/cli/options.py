"""The options that commands which answer tasks share, as dataclasses: each field is declared once, for all of them."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.completion import complete_tasks
from ehrbench.cli.logs import LogFile, Verbose

if TYPE_CHECKING:
    from ehrbench.runs.options import RunOptions


MODEL_HELP = "A checkpoint's path or hub id, or BACKEND:NAME (hf:, vllm:, lm-eval:, openai:, azure:, baseline:, replay:)"
WHAT, PROMPT, ANSWER, ITEMS = "Models and tasks", "Prompts and records", "Answers", "Items"
SCORE, PLACE, OUTPUT = "Scores", "Where the model runs", "Output"
"""The headings of the help."""


@dataclass(frozen=True, kw_only=True)
class OneModel:
    """Which model answers."""

    model: Annotated[str, typer.Option(help=f"{MODEL_HELP}.", rich_help_panel=WHAT)]


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """Which tasks are answered, and how."""

    tasks: Annotated[
        str,
        typer.Option(help="Tasks, groups or globs, separated by commas.", autocompletion=complete_tasks, rich_help_panel=WHAT),
    ]
    data_dir: Annotated[
        str | None,
        typer.Option(
            help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]", rich_help_panel=WHAT
        ),
    ] = None
    protocol: Annotated[
        str, typer.Option(help="Protocol: clean (corrects the papers' defects) or paper (reproduces them).", rich_help_panel=WHAT)
    ] = "clean"
    prompt: Annotated[str, typer.Option(help="Name of the prompt variant of the task.", rich_help_panel=PROMPT)] = "default"
    context: Annotated[
        str | None,
        typer.Option(
            help="What happens to a record that does not fit: truncate, refine, retrieve or full. [default: the task's]",
            rich_help_panel=PROMPT,
        ),
    ] = None
    keep: Annotated[
        str | None, typer.Option(help="Which end truncation keeps: end or start. [default: the task's]", rich_help_panel=PROMPT)
    ] = None
    max_model_len: Annotated[
        int | None,
        typer.Option(
            help="Size of the window in tokens, prompt and answer together. [default: the model's]", rich_help_panel=PROMPT
        ),
    ] = None
    budget_tokenizer: Annotated[
        str | None,
        typer.Option(
            help="Tokenizer that counts the window: a folder with a tokenizer.json, or 'words'. [default: the model's]",
            rich_help_panel=PROMPT,
        ),
    ] = None
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            "--chunk-tokens",
            "--mr-chunk-tokens",
            help="Largest chunk of a refinement chain, in tokens. [default: the task's]",
            rich_help_panel=PROMPT,
        ),
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(help="Maximum tokens of an answer. [default: the task's]", rich_help_panel=ANSWER)
    ] = None
    max_reasoning_tokens: Annotated[
        int | None,
        typer.Option(
            help="Maximum tokens of thinking, in addition to the answer's. [default: the task's]", rich_help_panel=ANSWER
        ),
    ] = None
    temperature: Annotated[
        float | None, typer.Option(help="Sampling temperature; 0 is greedy. [default: the task's]", rich_help_panel=ANSWER)
    ] = None
    top_p: Annotated[
        float | None, typer.Option(help="Probability mass of nucleus sampling. [default: the task's]", rich_help_panel=ANSWER)
    ] = None
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help="Text that ends an answer, \\n for a new line; repeatable; '' for none. [default: the task's; of a base model, "
            "its prompt's headings]",
            rich_help_panel=ANSWER,
        ),
    ] = None
    num_fewshot: Annotated[
        int | None, typer.Option(help="Number of worked examples in the prompt. [default: the task's]", rich_help_panel=PROMPT)
    ] = None
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Answer only the first N items; the result is marked partial.", rich_help_panel=ITEMS),
    ] = None
    samples: Annotated[
        str | None,
        typer.Option(
            help="Answer only these items: ids with commas between them, or a file of ids; the result is marked partial.",
            rich_help_panel=ITEMS,
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="Seed for sampling and for drawing examples.", rich_help_panel=ANSWER)] = 0
    model_arg: Annotated[
        list[str] | None,
        typer.Option("--model-arg", help="Argument of the backend, key=value; repeatable.", rich_help_panel=WHAT),
    ] = None
    model_profile: Annotated[
        str | None,
        typer.Option(
            help="Settings with which a paper's authors run their own model (ehr-r1, mmedins-llama3 …).", rich_help_panel=WHAT
        ),
    ] = None
    include_path: Annotated[
        list[Path] | None, typer.Option(help="Folder with further task files; repeatable.", rich_help_panel=WHAT)
    ] = None
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial",
            help="Leave out tasks whose data are missing, and average groups over the rest; such averages are marked.",
            rich_help_panel=ITEMS,
        ),
    ] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.", rich_help_panel=OUTPUT)] = False
    verbose: Verbose = False
    log_file: LogFile = None

    def run_options(self, model: str) -> "RunOptions":
        """The options of a model's runs, checked.

        Raises:
            UsageError: an illegal value.
        """
        from ehrbench.runs.options import RunOptions, read_options
        from ehrbench.terminal.output import key_values

        names = {field.name for field in fields(RunOptions)}
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name in names}
        given["include_paths"] = tuple(self.include_path or ())
        given["model_profile"] = self.model_profile
        given["model"] = model
        if self.stop is not None:
            given["stop"] = tuple(text.replace("\\n", "\n") for text in self.stop if text)
        return read_options(given, key_values(self.model_arg, "--model-arg"))


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(AnswerOptions):
    """And how the answers are scored."""

    out: Annotated[Path, typer.Option("--out", "--results", help="Folder for results.", rich_help_panel=OUTPUT)] = Path("results")
    metrics: Annotated[
        str | None, typer.Option(help="Metrics in place of the task's, separated by commas.", rich_help_panel=SCORE)
    ] = None
    metric_arg: Annotated[
        list[str] | None,
        typer.Option("--metric-arg", help="Argument of a metric, as comet.checkpoint=PATH; repeatable.", rich_help_panel=SCORE),
    ] = None
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Run the Python code of metrics that are not ehrbench's (evaluate:NAME).",
            rich_help_panel=SCORE,
        ),
    ] = False
    no_score: Annotated[
        bool,
        typer.Option("--no-score", help="Stop after the answers; `ehrbench score` continues from there.", rich_help_panel=OUTPUT),
    ] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.", rich_help_panel=OUTPUT)] = False

    def metric_arguments(self) -> Mapping[str, str]:
        """The metrics' arguments, by ``metric.name``.

        Raises:
            UsageError: one is not of that form.
        """
        from ehrbench.metrics.arguments import parse_arguments

        return parse_arguments(self.metric_arg or (), trust_remote_code=self.trust_remote_code)
