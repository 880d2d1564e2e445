"""The Jinja dialect of prompts: text, ``{{ slots }}``, ``if`` and ``for``; nothing that reads files, runs code or never ends.

Imported when the first prompt is parsed: Jinja costs 50 ms that ``--help`` need not pay.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache, wraps
from types import BuiltinMethodType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ehrbench.errors import UsageError

MAX_TEMPLATE_CHARS = 200_000
MAX_OUTPUT_CHARS = 20_000_000
"""Of one message without its record: worked examples may be long, an endless loop is longer."""
MAX_STEPS = 200_000
"""Of one rendering: rounds of loops, filters, calls and arithmetic."""
MAX_SECONDS = 2.0
"""Of one rendering or one compilation."""
MAX_DEPTH = 40
"""How deep ifs, loops and expressions may be nested: compiling takes longer with each."""
MAX_NUMBER = 10**18
MAX_DECIMALS = 15
MAX_RANGE = 1_000
MAX_LOOP_DEPTH = 2

# No filter or method whose result is larger than its input by a number the template names (center, indent, format, ljust):
# one of them is enough to fill the memory. No ``random``: a prompt is a function of its slots.
_EACH = "each_round"
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


class _Budget:
    """What one rendering, or one compilation, may still spend; in force where it is entered."""

    def __enter__(self) -> None:
        self._steps = MAX_STEPS
        self._until = time.monotonic() + MAX_SECONDS
        self._before = _budget.set(self)

    def __exit__(self, *_: object) -> None:
        _budget.reset(self._before)

    def spend(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise SecurityError(f"more than {MAX_STEPS:,} steps")
        if time.monotonic() > self._until:
            raise SecurityError(f"more than {MAX_SECONDS:g} seconds")


_budget: ContextVar[_Budget] = ContextVar("template budget")


def _spending(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that costs a step; what tells Jinja how to call it stays."""

    @wraps(function)
    def spending(*args: Any, **kwargs: Any) -> Any:
        _budget.get().spend()
        return function(*args, **kwargs)

    return spending


def _each(values: Iterable[Any]) -> Iterator[Any]:
    """The rounds of a loop, each of which costs a step."""
    budget = _budget.get()
    for value in values:
        budget.spend()
        yield value


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if abs(precision) > MAX_DECIMALS:
        raise SecurityError(f"round() to more than {MAX_DECIMALS} digits")
    rounded: float = FILTERS["round"](value, precision, method)
    return rounded


def _float(value: Any, default: float = 0.0) -> float:
    number: float = FILTERS["float"](value, default)
    if not math.isfinite(number):  # a constant of that kind would be compiled into a name that is not there
        raise SecurityError("float() of something that is not a finite number")
    return number


def _bounded_number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise SecurityError("a number beyond 10 to the 18")
    return value


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
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, loader=None, cache_size=0)
        self.globals.clear()
        self.globals["range"] = _range
        own = {"join": _join, "replace": _replace, "round": _round, "float": _float, _EACH: _each}
        self.filters = {name: _spending(function) for name, function in ({n: FILTERS[n] for n in _FILTERS.split()} | own).items()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        _budget.get().spend()
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator in "*%" and not numbers:
            raise SecurityError(f"'{operator}' on something that is not a number")
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            _bounded(len(left) + len(right))
        return _bounded_number(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        _budget.get().spend()
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
        _refuse_the_rest(tree, place, loops=0, depth=0)
        with _Budget():
            _environment().compile(source)  # unknown filters and tests show only here
    except TemplateSyntaxError as error:
        raise UsageError(f"{place}, template line {error.lineno}: {error.message}") from None
    except SecurityError as error:
        raise UsageError(f"{place}: {error}") from None
    except RecursionError:
        raise UsageError(f"{place}: the template is nested too deeply") from None
    return tree


def _refuse_the_rest(node: nodes.Node, place: str, loops: int, depth: int) -> None:
    """Refuse what no prompt needs: includes, imports, macros, assignments, powers, recursive or deeply nested loops."""
    where = f"{place}, template line {node.lineno}"
    if depth > MAX_DEPTH:
        raise UsageError(f"{where}: the template is nested too deeply; {MAX_DEPTH} levels are enough for a prompt")
    if isinstance(node, nodes.For):
        loops += 1
        if node.recursive or loops > MAX_LOOP_DEPTH:
            raise UsageError(f"{where}: loops may be nested {MAX_LOOP_DEPTH} deep and not be recursive")
    unknown = not isinstance(node, (*_STATEMENTS, *_EXPRESSIONS))
    if unknown or (isinstance(node, nodes.Name) and node.name in {"self", "super", "caller"}):
        name = node.name if isinstance(node, nodes.Name) else type(node).__name__.lower()
        raise UsageError(f"{where}: '{name}' is not allowed in a prompt; use text, {{{{ slots }}}}, if and for")
    for child in node.iter_child_nodes():
        _refuse_the_rest(child, place, loops, depth + 1)


@lru_cache(maxsize=512)
def _compiled(source: str) -> Template:
    environment = _environment()
    tree = environment.parse(source)
    for loop in list(tree.find_all(nodes.For)):
        loop.iter = nodes.Filter(loop.iter, _EACH, [], [], None, None, lineno=loop.lineno)
    return environment.template_class.from_code(environment, environment.compile(tree), environment.make_globals(None))


def render(source: str, place: str, values: dict[str, object]) -> str:
    """The template with its slots filled.

    Raises:
        UsageError: the template fails on these values; says the template's line and the kind of failure, never a value.
    """
    parse(source, place)
    try:
        with _Budget():
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
