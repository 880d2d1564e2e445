"""Write the reference pages beside this file from the code: `python docs/reference/write.py`. A test fails while they differ."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

from ehrbench.cli import app, run_file
from ehrbench.metrics import METRICS
from ehrbench.metrics.arguments import ARGUMENTS
from ehrbench.metrics.metric import Metric
from ehrbench.registry import suites
from ehrbench.studies.schema import json_schema
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.schema import TaskSpec

HERE = Path(__file__).resolve().parent
_EXIT_CODES = (
    ("0", "all items answered and scored"),
    ("1", "`verify`: the result does not follow from its predictions; any command: a bug"),
    ("2", "bad usage, task file or configuration"),
    ("3", "data or weights are missing"),
    ("4", "refused by a data policy"),
    ("5", "finished with failed items or metrics"),
    ("130", "interrupted; the same command continues"),
)


def commands() -> Iterator[str]:
    """``cli.md``."""
    yield from _head("Commands", "Every command with its arguments and options, as `ehrbench COMMAND --help` prints them.")
    yield from _table(("exit code", "meaning"), _EXIT_CODES)
    yield from _group(typer.main.get_command(app), "ehrbench")


def metrics() -> Iterator[str]:
    """``metrics.md``."""
    yield from _head(
        "Metrics by name",
        "Every metric that ships. [Metrics, intervals and tests](../metrics.md) explains how numbers are made of them; "
        "`ehrbench metrics list` says which of them this machine can compute.",
    )
    found = [METRICS.get(name) for name in METRICS]
    for heading in sorted({_family(metric) for metric in found}):
        yield from (f"## {heading}", "")
        own = [metric for metric in found if _family(metric) == heading]
        rows = ((f"`{m.name}`", m.label, _meaning(m), _range(m), ", ".join(sorted(m.needs)), m.cite) for m in own)
        yield from _table(("name", "title", "what a value says", "range", "needs", "source"), rows)
    yield from (
        "## Arguments",
        "",
        "Given as `--metric-arg FAMILY.NAME=VALUE`, or as `EHRBENCH_FAMILY_NAME` in the environment.",
        "",
    )
    arguments = ((f"`{family}.{name}`", text) for family, known in ARGUMENTS.items() for name, text in known.items())
    yield from _table(("argument", "value"), arguments)


def tasks() -> Iterator[str]:
    """``tasks.md``."""
    yield from _head(
        "Tasks by name",
        "Every task that ships. `ehrbench tasks show TASK` prints one as it is run, with the origin of each value.",
    )
    known = suites()
    found = load_catalog([]).tasks()
    for suite in dict.fromkeys(task.task.partition(".")[0] for task in found):
        yield from (f"## {known[suite].title if suite in known else suite}", "")
        rows = (_task_row(task) for task in found if task.task.partition(".")[0] == suite)
        yield from _table(("task", "title", "what is asked", "primary metric", "data", "items", "source"), rows)


def study_schema() -> Iterator[str]:
    """``study.schema.json``."""
    yield json.dumps(json_schema(), indent=2)


def run_schema() -> Iterator[str]:
    """``run.schema.json``."""
    yield json.dumps(run_file.json_schema(), indent=2)


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "cli.md": commands,
    "metrics.md": metrics,
    "tasks.md": tasks,
    "study.schema.json": study_schema,
    "run.schema.json": run_schema,
}


def render(page: str) -> str:
    """One page as text."""
    return "\n".join(PAGES[page]()).rstrip() + "\n"


def _head(title: str, about: str) -> Iterator[str]:
    yield from (f"# {title}", "", "<!-- Written by docs/reference/write.py: edit the code, then run that. -->", "", about, "")


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = tuple(header)
    yield _row(names)
    yield _row("---" for _ in names)
    yield from map(_row, rows)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _group(group: Any, path: str) -> Iterator[str]:
    for name in group.list_commands(None):
        command, full = group.get_command(None, name), f"{path} {name}"
        yield from (f"{'##' if path == 'ehrbench' else '###'} {full}", "")
        if hasattr(command, "list_commands"):
            yield from (*(command.help or "").strip().splitlines(), "")
            yield from _group(command, full)
        else:
            yield from _command(command, full)


def _command(command: Any, path: str) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    yield from (f"`{' '.join((path, *map(_word, arguments), '[OPTIONS]'))}`", "")
    yield from (*(line.strip() for line in (command.help or "").strip().splitlines()), "")
    if arguments:
        yield from _table(("argument", "what it is"), ((f"`{_word(one)}`", one.help or "") for one in arguments))
    if options:
        kinds = inspect.signature(inspect.unwrap(command.callback), eval_str=True).parameters
        rows = (_option(one, kinds[one.name].annotation) for one in options)
        yield from _table(("option", "value", "default", "what it does"), rows)


def _word(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _option(option: Any, annotation: Any) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    text, _, told = (option.help or "").partition(" [default: ")
    return names, _value(annotation), told.removesuffix("]") or _default(option), text


def _value(annotation: Any) -> str:
    """What an option takes; nothing for a flag."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if inner := [part for part in get_args(annotation) if part is not type(None)]:
        return _value(inner[0])
    if issubclass(annotation, Enum):
        return ", ".join(f"`{choice.value}`" for choice in annotation)
    return {bool: "", str: "text", Path: "path", int: "integer", float: "number"}[annotation]


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_flag:
        return f"`{option.opts[0]}`" if option.default is True and option.secondary_opts else ""
    default = getattr(option.default, "value", option.default)
    return f"`{default}`" if isinstance(default, (str, int, float, Path)) else ""


def _family(metric: Metric) -> str:
    suite = next((suite for suite in suites().values() if metric.name in suite.entries.get("metric", {})), None)
    if suite is not None:
        return f"Of {suite.title}"
    if metric.configure is not None:
        return "By language models (weights needed)"
    if "probabilities" in metric.needs:
        return "Of probabilities"
    return "Of typed gold answers" if metric.name.startswith("typed_") else "Of texts"


def _meaning(metric: Metric) -> str:
    note = metric.note[:1].upper() + metric.note[1:]
    return f"{metric.about} {note}{'' if not note or note.endswith('.') else '.'}".strip()


def _range(metric: Metric) -> str:
    low, high = metric.range
    span = f"{low:g} to {high:g}" if metric.bounded else f"usually {low:g} to {high:g}"
    return span if metric.higher_is_better else f"{span}, lower is better"


def _task_row(task: TaskSpec) -> tuple[str, ...]:
    items = f"{task.expected_items:,}" if task.expected_items else ""
    source = " ".join(filter(None, (task.cite, task.cite_data)))
    return f"`{task.task}`", task.title, task.description, f"`{task.primary}`", task.data.policy, items, source


if __name__ == "__main__":
    for page in PAGES:
        (HERE / page).write_text(render(page), encoding="utf-8")
