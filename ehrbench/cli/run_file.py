"""``run.yaml``: the options of ``ehrbench run`` as a file, checked with its lines and given to the parser as its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

_KEYS = {"as_json": "json"}
"""Options that are called otherwise than their field."""
_COMMAS = ("tasks", "metrics", "samples", "seeds")
"""Options that are one text with commas on the command line."""
_PAIRS = ("model_arg", "metric_arg")
"""Options of the form key=value."""


def read_run_file(ctx: typer.Context, path: Path | None) -> Path | None:
    """Make a file's options the defaults of the command, so that the command line wins over it.

    Raises:
        UsageError: faults of the file, one line for each, which names file and line.
    """
    from pydantic import ValidationError

    from ehrbench.tasks.problems import schema_problems
    from ehrbench.tasks.yaml_file import TaskFileError, read_yaml

    if path is None:
        return None
    file = read_yaml(path)
    if not isinstance(file.value, dict):
        raise TaskFileError([f"{file.position()}: expected options of `ehrbench run` as keys, such as model and tasks"])
    schema = run_schema()
    try:
        given = schema.model_validate(file.value).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        raise TaskFileError(schema_problems(error.errors(include_url=False), schema, file.position)) from None
    ctx.default_map = {name: _as_given(name, value) for name, value in given.items() if value is not None}
    return path


def run_schema() -> type[BaseModel]:
    """The options of ``ehrbench run`` as a model of the file, each with its help."""
    from pydantic import ConfigDict, Field, create_model

    from ehrbench.studies.schema import Several
    from ehrbench.tasks.schema import ContextPolicy, Keep, Protocol

    kinds: Mapping[str, Any] = {
        **dict.fromkeys(_COMMAS, Several[str]),
        **dict.fromkeys(_PAIRS, dict[str, str | int | float | bool]),
        "model": Several[str],
        "samples": Several[str | int],
        "seeds": Several[int],
        "stop": Several[str],
        "include_path": Several[str],
        "log_to": Several[str],
        "protocol": Protocol,
        "context": ContextPolicy,
        "keep": Keep,
    }
    keys: dict[str, Any] = {}
    for name, (kind, option) in _options().items():
        limits = {"ge": option.min} if option.min is not None else {}
        keys[name] = (kinds.get(name, kind) | None, Field(None, alias=_KEYS.get(name), description=option.help, **limits))
    closed = ConfigDict(extra="forbid", protected_namespaces=())
    return create_model("RunFile", __config__=closed, __doc__="Options of `ehrbench run`.", **keys)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **run_schema().model_json_schema()}


def _options() -> dict[str, tuple[Any, Any]]:
    """Type and description of each option of ``ehrbench run``, by its field."""
    from ehrbench.cli.run import Run

    hints = get_type_hints(Run, include_extras=True)
    return {field.name: get_args(hints[field.name])[:2] for field in fields(Run) if field.name != "config"}


def _as_given(name: str, value: Any) -> Any:
    """A value of the file as the command line would have it."""
    from ehrbench.studies.study import text_arguments

    if name in _COMMAS:
        return ",".join(map(str, value))
    if name in _PAIRS:
        return [f"{key}={text}" for key, text in text_arguments(value).items()]
    return value or [""] if name == "stop" else value
