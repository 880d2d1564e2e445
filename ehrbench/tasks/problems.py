"""Says what is wrong with a task, with file and line: the schema's complaints and names that nothing is registered under."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ehrbench.errors import UsageError, unknown_name
from ehrbench.tasks.yaml_file import KeyPath, Position

if typing.TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    from ehrbench.tasks.schema import PromptSpec

Where = Callable[[KeyPath], Position]
"""Finds the line of a key."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "too_short": "at least {min_length} entry",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text that matches {pattern}",
}


def schema_problems(errors: list[ErrorDetails], model: type[BaseModel], where: Where) -> list[str]:
    """One sentence per schema error, beginning with ``file:line``."""
    return [f"{where(_key_path(error['loc']))}: {_sentence(error, model)}" for error in errors]


def _key_path(loc: tuple[int | str, ...]) -> KeyPath:
    return tuple(part for part in loc if part != "[key]")


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    loc, kind = _key_path(error["loc"]), error["type"]
    if kind == "extra_forbidden":
        *parents, key = loc
        known = _keys(model, tuple(parents))
        place = f" in '{_dotted(tuple(parents))}'" if parents else ""
        sections = [name for name in _sections(model) if key in _keys(model, (name,))]
        if not parents and sections:
            return f"unknown key '{key}' at the top of a task: it belongs under '{sections[0]}:'"
        return unknown_name("key", str(key), known) + place
    if kind == "missing":
        return f"missing key '{_dotted(loc)}'"
    if kind == "value_error":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    if loc == ("task",) and kind == "string_pattern_mismatch":
        name = _found(error["input"])
        wanted = "lower-case letters, digits and '_', with '.' between parts (suite.category.name)"
        return f"{name} is not a task name: expected {wanted}"
    context = error.get("ctx", {})
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"'{_dotted(loc)}': {error['msg']}"
    return f"expected {expected.format(**context)} for '{_dotted(loc)}', found {_found(error['input'])}"


def _dotted(place: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    text = str(value)
    return f"'{text}'" if len(text) <= 40 else f"text of {len(text)} characters"


def _sections(model: type[BaseModel]) -> list[str]:
    """Top-level keys whose value is a mapping of fixed keys."""
    return [name for name, field in model.model_fields.items() if isinstance(_model_in(field.annotation), type)]


def _keys(model: type[BaseModel], place: KeyPath) -> list[str]:
    """The legal keys of the mapping at a place of the schema."""
    current: object = model
    for part in place:
        if isinstance(part, int):  # an entry of a list: what its model has
            continue
        fields = getattr(current, "model_fields", None)
        if fields is None or (isinstance(part, str) and part not in fields):
            return []
        current = _model_in(fields[part].annotation)
        if isinstance(current, tuple):
            return _keys(current[0], place[place.index(part) + 2 :])
    fields = getattr(current, "model_fields", {})
    extra = ["protocol", "include"] if current is model and not place else []
    return [*(field.alias or name for name, field in fields.items()), *extra]


def _model_in(annotation: Any) -> Any:
    """The model an annotation holds; in a one-tuple when it is the value of a mapping."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return (inner[1],)
    if origin is tuple:
        return _model_in(inner[0])
    if origin in (typing.Union, types.UnionType):
        return next((found for arg in inner if (found := _model_in(arg)) is not None), None)
    return annotation if hasattr(annotation, "model_fields") else None


def name_problems(values: Mapping[str, Any], where: Where) -> list[str]:
    """Readers, metrics and clean-ups that a task names and nobody registered; what is not of the schema's form is passed over."""
    from ehrbench.metrics import METRICS
    from ehrbench.readers import READERS
    from ehrbench.tasks.answers import ANSWERS

    reader = _mapping(values.get("data")).get("reader")
    named: list[tuple[Any, KeyPath, object]] = [(READERS, ("data", "reader"), reader)]
    named += [(METRICS, ("metrics", index), name) for index, name in _entries(values.get("metrics"))]
    named += [(ANSWERS, ("answer", index), name) for index, name in _entries(values.get("answer"))]
    found = [
        f"{where(place)}: {unknown_name(registry.kind, name, registry)}"
        for registry, place, name in named
        if isinstance(name, str) and name not in registry
    ]
    return found + (_reader_problems(values, reader, where) if isinstance(reader, str) and reader in READERS else [])


def _reader_problems(values: Mapping[str, Any], name: str, where: Where) -> list[str]:
    """Options that the reader does not take, and slots and strata that it never fills."""
    from ehrbench.readers import READERS

    reader = READERS.get(name)
    data, record = _mapping(values.get("data")), _mapping(values.get("record"))
    rendering = {"rendering": record["rendering"]} if "rendering" in record else {}
    found = []
    for option, sentence in reader.problems({**rendering, **_mapping(data.get("options"))}):
        place: KeyPath = ("record", "rendering") if option == "rendering" and rendering else ("data", "options", option)
        found.append(f"{where(place)}: {sentence} (reader {name})")
    strata = [(index, _mapping(one).get("by", one)) for index, one in _entries(values.get("strata"))]
    for kind, known, key, wanted in (
        ("slot", reader.slots, ("data", "slots"), _entries(data.get("slots"))),
        ("stratum", reader.meta, ("strata",), strata),
    ):
        found += [
            f"{where((*key, index))}: {unknown_name(f'{kind} of the reader {name}', one, known)}"
            for index, one in wanted
            if known is not None and isinstance(one, str) and one not in known
        ]
    return found


def prompt_problems(values: Mapping[str, Any], where: Where) -> list[str]:
    """Prompts that are no templates, lack a slot or use one that the task does not fill."""
    slots = tuple(name for _, name in _entries(_mapping(values.get("data")).get("slots")) if isinstance(name, str))
    record = values.get("record")
    if record is not None and not isinstance(record, Mapping):
        return []  # whether a prompt needs the record cannot be said
    prompts: dict[KeyPath, object] = {("prompt",): values.get("prompt")}
    prompts |= {("variants", name): prompt for name, prompt in _mapping(values.get("variants")).items()}
    found = []
    for place, prompt in prompts.items():
        problem = _prompt_problem(prompt, slots, record is not None)
        if problem is None:
            continue
        part = next((part for part in ("refine", "system", "user") if problem.startswith(f"prompt.{part}")), "user")
        found.append(f"{where((*place, part))}: {problem.replace('prompt.', f'{_dotted(place)}.')}")
    return found


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: object) -> list[tuple[int, Any]]:
    return list(enumerate(value)) if isinstance(value, (list, tuple)) else []


def _prompt_problem(prompt: object, slots: tuple[str, ...], has_record: bool) -> str | None:
    """What is wrong with a prompt of the schema's form; of another form the schema complains."""
    from pydantic import ValidationError

    from ehrbench.tasks.schema import PromptSpec

    try:
        return _template_problem(PromptSpec.model_validate(prompt), slots, has_record)
    except ValidationError:
        return None


@lru_cache(maxsize=512)
def _template_problem(prompt: PromptSpec, slots: tuple[str, ...], has_record: bool) -> str | None:
    from ehrbench.tasks.prompts import check
    from ehrbench.tasks.slots import BASE_SLOTS

    try:
        check(prompt, (*BASE_SLOTS, *slots), has_record)
    except UsageError as error:
        return str(error)
    return None
