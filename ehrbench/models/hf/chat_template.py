"""Compiling a checkpoint's Jinja chat template in a sandbox, with the helpers that transformers gives such templates."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ehrbench.errors import UsageError


def compile_template(source: str, now: Callable[[], datetime.datetime]) -> Callable[..., str]:
    """Compile a template; the result renders it from keyword arguments.

    The template comes from a checkpoint and is not trusted: it runs in Jinja's immutable sandbox and sees plain data only.

    Args:
        source: the Jinja source.
        now: what ``strftime_now`` formats.

    Raises:
        UsageError: the source is not valid Jinja.
    """
    from jinja2 import TemplateError

    environment = _environment()
    environment.globals["strftime_now"] = lambda form: now().strftime(form)
    try:
        template = environment.from_string(source)
    except TemplateError as error:
        raise UsageError(f"cannot read a chat template: {error}; repair it, or give another with chat_template=FILE") from None
    return partial(template.render, tools=None, documents=None)


def variables(source: str) -> set[str]:
    """Names of what a template reads from outside.

    Raises:
        UsageError: the source is not valid Jinja.
    """
    from jinja2 import TemplateError, meta

    try:
        return meta.find_undeclared_variables(_environment().parse(source))
    except TemplateError as error:
        raise UsageError(f"cannot read a chat template: {error}; repair it, or give another with chat_template=FILE") from None


def _environment() -> Any:
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """The block ``{% generation %}``, which marks what the assistant said and prints what is in it."""

        tags = {"generation"}

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_print"), [], [], body).set_lineno(line)

        def _print(self, caller: Callable[[], str]) -> str:
            return caller()

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    # Jinja's own filter escapes HTML.
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = refuse
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
