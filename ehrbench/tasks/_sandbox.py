"""The Jinja dialect of prompts: text, ``{{ slots }}``, ``if`` and ``for``; nothing that reads files, runs code or never ends.

Imported when the first prompt is parsed: Jinja costs 50 ms that ``--help`` need not pay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ehrbench.errors import UsageError

MAX_TEMPLATE_CHARS = 200_000
MAX_OUTPUT_CHARS = 20_000_000
"""Of one message without its record: worked examples may be long, an endless loop is longer."""
MAX_RANGE = 1_000
MAX_LOOP_DEPTH = 2

# No filter or method whose result is larger than its input by a number the template names (center, indent, format, ljust):
# one of them is enough to fill the memory. No ``random``: a prompt is a function of its slots.
_FILTERS = (
    "abs capitalize count d default dictsort first float int items join last length list lower map max min reject "
    "rejectattr replace reverse round select selectattr sort string sum title trim unique upper wordcount"
)
_METHODS = (
    "capitalize count endswith find get index isdigit isupper items keys lower lstrip removeprefix removesuffix "
    "rstrip split splitlines startswith strip title upper values"
)
_STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For)
_EXPRESSIONS = (
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Getattr, nodes.Getitem),
    *(nodes.Slice, nodes.Filter, nodes.Test, nodes.Call, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or),
    *(nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
)


def _range(*bounds: int) -> range:
    steps = range(*bounds)
    if len(steps) > MAX_RANGE:
        raise SecurityError(f"range() of more than {MAX_RANGE} steps")
    return steps


def _bounded(chars: int) -> None:
    if chars > MAX_OUTPUT_CHARS:
        raise SecurityError(f"text of more than {MAX_OUTPUT_CHARS} characters")


def _join(values: Iterable[Any], separator: str = "", attribute: str | None = None) -> str:
    texts = [str(value if attribute is None else value[attribute]) for value in values]
    _bounded(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _replace(text: object, old: str, new: str) -> str:
    whole = str(text)
    _bounded(len(whole) + whole.count(old) * len(new))
    return whole.replace(old, new)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset("*%")

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, loader=None, cache_size=0)
        self.globals.clear()
        self.globals["range"] = _range
        self.filters = {name: self.filters[name] for name in _FILTERS.split()} | {"join": _join, "replace": _replace}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, (int, float)) and isinstance(right, (int, float))):
            raise SecurityError(f"'{operator}' on something that is not a number")
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        allowed = __obj is _range or (isinstance(__obj, BuiltinMethodType) and __obj.__name__ in _METHODS.split())
        if not allowed:
            raise SecurityError("a call of something that prompts may not call")
        return super().call(__context, __obj, *args, **kwargs)


@lru_cache(maxsize=1)
def _environment() -> _Environment:
    return _Environment()


@lru_cache(maxsize=512)
def parse(source: str, place: str) -> nodes.Template:
    """The syntax tree of a template.

    Args:
        source: the template.
        place: what it is, for messages (``prompt.user``).

    Raises:
        UsageError: a syntax error, or something that prompts may not use, with the template's line.
    """
    if len(source) > MAX_TEMPLATE_CHARS:
        raise UsageError(f"{place}: a template of {len(source):,} characters; the limit is {MAX_TEMPLATE_CHARS:,}")
    try:
        tree = _environment().parse(source)
        _environment().compile(source)  # unknown filters and tests show only here
    except TemplateSyntaxError as error:
        raise UsageError(f"{place}, template line {error.lineno}: {error.message}") from None
    except RecursionError:
        raise UsageError(f"{place}: the template is nested too deeply") from None
    _refuse_the_rest(tree, place, loops=0)
    return tree


def _refuse_the_rest(node: nodes.Node, place: str, loops: int) -> None:
    """Refuse what no prompt needs: includes, imports, macros, assignments, powers, recursive or deeply nested loops."""
    where = f"{place}, template line {node.lineno}"
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive or loops > MAX_LOOP_DEPTH:
            raise UsageError(f"{where}: loops may be nested {MAX_LOOP_DEPTH} deep and not be recursive")
    unknown = not isinstance(node, (*_STATEMENTS, *_EXPRESSIONS))
    if unknown or (isinstance(node, nodes.Name) and node.name in {"self", "super", "caller"}):
        name = node.name if isinstance(node, nodes.Name) else type(node).__name__.lower()
        raise UsageError(f"{where}: '{name}' is not allowed in a prompt; use text, {{{{ slots }}}}, if and for")
    for child in node.iter_child_nodes():
        _refuse_the_rest(child, place, loops)


@lru_cache(maxsize=512)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


def render(source: str, place: str, values: dict[str, object]) -> str:
    """The template with its slots filled.

    Raises:
        UsageError: the template fails on these values; says the template's line and the kind of failure, never a value.
    """
    parse(source, place)
    try:
        return "".join(_counted(_compiled(source).generate(values)))
    except SecurityError as error:
        raise UsageError(f"{place}{_line_of(error)}: {error}") from None
    except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # The text of such an error may quote a value, and a value is a patient's text.
        reason = "a slot has no value or not this part" if "Undefined" in type(error).__name__ else type(error).__name__
        raise UsageError(f"{place}{_line_of(error)}: cannot be rendered for this item ({reason})") from None


def _counted(pieces: Iterator[str]) -> Iterator[str]:
    chars = 0
    for piece in pieces:
        chars += len(piece)
        _bounded(chars)
        yield piece


def _line_of(error: BaseException) -> str:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", template line {line}" if line else ""
