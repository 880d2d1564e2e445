"""Prompts: checked when a task is loaded, rendered for each item, with the record put in by plain replacement.

A record may hold braces, Jinja syntax and megabytes, so no template engine ever sees it: a template is rendered with a sentinel
in the record's place, and the sentinel is replaced afterwards.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ehrbench.errors import UsageError, unknown_name
from ehrbench.models.protocol import Message
from ehrbench.tasks.schema import PromptSpec

if TYPE_CHECKING:
    from jinja2 import nodes

REFINE_TEMPLATE = """\
Instruction: Answer the following question based on the EHR. The EHR is shown in consecutive parts, oldest first. \
This is part {{ part }} of {{ parts }}.
Question: {{ question }}
Current answer, based on parts 1 to {{ part - 1 }}: {{ previous }}
EHR part {{ part }}: {{ record }}
If this part changes, corrects or completes the current answer, write the updated answer. \
If not, repeat the current answer unchanged. Write only the answer."""
"""The default later prompt of a refinement chain. Ours: MedAlign's authors do not print theirs."""

REFINE_SLOTS = frozenset({"part", "parts", "previous"})
_SENTINEL = "EHRBENCH-RECORD-6f1d0c59a2e84b37-{}"  # plain letters: a chat template that escapes its input leaves it as it is


@dataclass(frozen=True, slots=True)
class Framed:
    """A rendered prompt with a hole where the record goes."""

    messages: tuple[Message, ...]
    """With ``sentinel`` in the record's place."""
    sentinel: str
    """Occurs once in the messages; not at all in the prompt of a task without records."""

    def fill(self, record: str) -> tuple[Message, ...]:
        """The messages with ``record`` put in as it is."""
        return tuple(Message(role, content.replace(self.sentinel, record)) for role, content in self.messages)


def check(prompt: PromptSpec, slots: Collection[str], has_record: bool) -> None:
    """Check the templates of one prompt before anything runs.

    Args:
        prompt: the templates.
        slots: names that the items fill, ``question`` among them; ``record`` and those of refinement need not be named.
        has_record: whether the task's items have records.

    Raises:
        UsageError: a syntax error, an unknown slot, no ``question``, or ``record`` not exactly once as ``{{ record }}``
            outside of any ``if`` and ``for``; the message has the template's line.
    """
    first = {"prompt.user": prompt.user} | ({"prompt.system": prompt.system} if prompt.system is not None else {})
    _check_slots(first, {*slots, "question"}, has_record)
    if prompt.refine is None:
        return
    if not has_record:
        raise UsageError("prompt.refine: the task has no record, so there is nothing to refine over; remove it or add 'record:'")
    later = {"prompt.refine": prompt.refine} | ({"prompt.system": prompt.system} if prompt.system is not None else {})
    _check_slots(later, {*slots, "question", *REFINE_SLOTS}, has_record)
    if not any(name == "previous" for name, _ in _names(later["prompt.refine"], "prompt.refine")):
        raise UsageError("prompt.refine: the slot {{ previous }} is missing, so the earlier parts' answer would be lost")


def frames(prompt: PromptSpec, slots: Mapping[str, object]) -> Framed:
    """The first (or only) prompt, with a sentinel in place of the record.

    What a model is given before and after the record is ``model.prompt_text(framed.messages).partition(framed.sentinel)``.

    Args:
        prompt: the templates, checked.
        slots: the item's values by name, ``question`` among them.

    Raises:
        UsageError: a template fails on these values (its line is named, no value is).
    """
    return _framed(prompt.system, {"prompt.user": prompt.user}, slots)


def refine_frames(prompt: PromptSpec, slots: Mapping[str, object], part: int, parts: int, previous: str) -> Framed:
    """The prompt of a later refinement step, with a sentinel in place of the chunk.

    Args:
        prompt: the templates; ``REFINE_TEMPLATE`` stands in for a missing ``refine``.
        slots: the item's values by name.
        part: which part of the record this is, counted from 1.
        parts: how many there are.
        previous: the answer after the parts before.

    Raises:
        UsageError: as for ``frames``.
    """
    template = REFINE_TEMPLATE if prompt.refine is None else prompt.refine
    values = {**slots, "part": part, "parts": parts, "previous": previous}
    return _framed(prompt.system, {"prompt.refine": template}, values)


def render(prompt: PromptSpec, slots: Mapping[str, object], record: str = "") -> tuple[Message, ...]:
    """The messages of the first (or only) prompt."""
    return frames(prompt, slots).fill(record)


def render_refine(
    prompt: PromptSpec, slots: Mapping[str, object], record: str, part: int, parts: int, previous: str
) -> tuple[Message, ...]:
    """The messages of a later refinement step; ``record`` is that part's chunk, ``part`` counts from 1."""
    return refine_frames(prompt, slots, part, parts, previous).fill(record)


def _framed(system: str | None, user: Mapping[str, str], slots: Mapping[str, object]) -> Framed:
    from ehrbench.tasks._sandbox import render as render_template

    templates = {**({"prompt.system": system} if system is not None else {}), **user}
    for attempt in range(4):
        sentinel = _SENTINEL.format(attempt)
        values = {**slots, "record": sentinel}
        messages = tuple(
            Message("system" if place == "prompt.system" else "user", render_template(source, place, values))
            for place, source in templates.items()
        )
        # More than one: an item quotes the sentinel itself, and the next one is free of it.
        if sum(message.content.count(sentinel) for message in messages) <= 1:
            return Framed(messages, sentinel)
    raise UsageError(f"{' and '.join(templates)}: the record stands in the prompt more than once; use {{{{ record }}}} once")


def _check_slots(templates: Mapping[str, str], known: set[str], has_record: bool) -> None:
    from ehrbench.tasks._sandbox import parse

    known = known | {"record"} if has_record else known
    places = " and ".join(templates)
    used: set[str] = set()
    for place, source in templates.items():
        for name, line in _names(source, place):
            used.add(name)
            if name in known:
                continue
            if name == "record":
                raise UsageError(f"{place}, template line {line}: slot 'record', but the task has no 'record:' section")
            if name in REFINE_SLOTS:
                raise UsageError(f"{place}, template line {line}: slot '{name}' exists in prompt.refine only")
            raise UsageError(f"{place}, template line {line}: {unknown_name('slot', name, known)}")
    if "question" not in used:
        raise UsageError(f"{places}: the slot {{{{ question }}}} is missing; every item's question must reach the model")
    if not has_record:
        return
    plain = sum(_plain_records(parse(source, place)) for place, source in templates.items())
    mentions = sum(_record_mentions(parse(source, place)) for place, source in templates.items())
    if mentions == 0:
        raise UsageError(f"{places}: the slot {{{{ record }}}} is missing, so the model would never see the record")
    if mentions > 1:
        raise UsageError(f"{places}: 'record' is used {mentions} times; a record may stand in the prompt once")
    if plain != 1:
        raise UsageError(f"{places}: write the record as plain {{{{ record }}}}, without filters and outside of if and for")


def _names(source: str, place: str) -> Iterator[tuple[str, int]]:
    """Every slot that a template uses, with the line of its first use."""
    from jinja2 import meta, nodes

    from ehrbench.tasks._sandbox import parse

    tree = parse(source, place)
    free = meta.find_undeclared_variables(tree) - {"range"}
    lines = {name: min(node.lineno for node in tree.find_all(nodes.Name) if node.name == name) for name in free}
    yield from sorted(lines.items(), key=lambda pair: (pair[1], pair[0]))


def _record_mentions(tree: nodes.Template) -> int:
    from jinja2 import nodes

    return sum(node.name == "record" for node in tree.find_all(nodes.Name))


def _plain_records(tree: nodes.Template) -> int:
    from jinja2 import nodes

    outputs = (node for node in tree.body if isinstance(node, nodes.Output))
    return sum(isinstance(node, nodes.Name) and node.name == "record" for output in outputs for node in output.nodes)
