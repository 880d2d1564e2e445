"""Asking: a few questions drawn as the release drew them, or every question that the templates can ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import NamedTuple

from ehrbench.suites.mimic_instr.questions.answers import RULES, Answer, AnswerType
from ehrbench.suites.mimic_instr.questions.chart import ITEM_COLUMN, Chart, Rows, hours
from ehrbench.suites.mimic_instr.questions.periods import ENTIRE_STAY, Period, draw_period, every_period
from ehrbench.suites.mimic_instr.questions.templates import LIVE_TYPES, QUESTION_TYPES, TEMPLATES, Template

MAX_DRAWS = 100
"""Draws of a period in which the item occurs, before the entire stay is taken."""

_BY_TYPE = {event_type: tuple(t for t in TEMPLATES if t.event_type == event_type) for event_type in QUESTION_TYPES}


@dataclass(frozen=True)
class Question:
    """One question about one admission, with its exact answer."""

    hadm_id: int
    subject_id: int
    event_type: str
    template: str
    q: str
    a: str
    answer_type: AnswerType
    value: bool | float | int | str | list[str]
    """What the answer means; see ``answers.Answer``."""
    unit: str | None
    tolerance: float
    period: str | None
    """The words of the stretch of time asked about."""
    alternatives: tuple[str, ...] = ()
    """Other true answers: rows that the question's words do not tell apart (one hour's text, hours or days, the first or last of
    several at one time)."""


def sample_questions(chart: Chart, n: int, seed: int, types: Sequence[str] = LIVE_TYPES) -> list[Question]:
    """Draw ``n`` questions about one admission (protocol page, section 3.1); two may be the same.

    An event type is drawn uniformly, then an anchor row (for laboratory events: a measurement's name, then a row of it), then one
    of the questions that apply. The draw depends on the seed and the admission only.

    Returns:
        ``n`` questions; fewer only where the admission has next to nothing that can be asked about.
    """
    random = Random(f"mimic-instr {seed} {chart.hadm_id}")
    questions: list[Question] = []
    present = [event_type for event_type in types if event_type in chart.rows]
    for _ in range(MAX_DRAWS * n):
        if not present or len(questions) == n:
            break
        rows = chart.rows[random.choice(present)]
        applicable = _ask_about(chart, rows, _draw_anchor(rows, random), random)
        if applicable:
            questions.append(_with_alternatives(chart, rows, random.choice(applicable)))
    return questions


def all_questions(chart: Chart, types: Sequence[str] = QUESTION_TYPES) -> Iterator[Question]:
    """Every question that the templates can ask about an admission: each item, each period, each time; none twice.

    A template's questions that differ in their true answers only are one, with the others as its alternatives.
    """
    for event_type in types:
        rows = chart.rows.get(event_type)
        if rows is None:
            continue
        found: dict[str, list[Question]] = {}
        for template in _BY_TYPE[event_type]:
            for asked in _enumerate(chart, rows, template):
                found.setdefault(asked.q, []).append(asked)
        for same in found.values():
            first: dict[str, Question] = {}
            for question in same:
                first.setdefault(question.template, question)
            answers = [answer for q in same for answer in (q.a, *q.alternatives)]
            for question in first.values():
                yield replace(question, alternatives=tuple(dict.fromkeys(a for a in answers if a != question.a)))


class _Asked(NamedTuple):
    """A template that applies; not worded yet, for of many that apply to an anchor only one is asked."""

    template: Template
    row: int
    """The row it is about."""
    period: Period | None
    answer: Answer


def _draw_anchor(rows: Rows, random: Random) -> int:
    if rows.event_type == "labevents":
        return random.choice(rows.of_item(random.choice(rows.items)))
    return random.randrange(len(rows))


def _ask_about(chart: Chart, rows: Rows, anchor: int, random: Random) -> list[_Asked]:
    """Every question that applies to an anchor row."""
    asked = []
    shared = None
    for template in _BY_TYPE[rows.event_type]:
        row: int | None = anchor
        period = None
        if template.scope == "free":
            period = draw_period(chart.los_us, random)
        elif template.any_item:
            period = _draw_nonempty(chart, rows, None, random)
        elif template.scope == "period":
            if _item(rows, anchor) is None:
                continue
            shared = shared or _draw_nonempty(chart, rows, anchor, random)
            period = shared
        elif template.needs == "org_name":
            row = _draw_organism(rows, anchor, random)
        elif template.scope == "stay":
            row = _stay_row(rows)
        if row is not None and (answer := _answer(rows, template, row, period)):
            asked.append(_Asked(template, row, period, answer))
    return asked


def _draw_nonempty(chart: Chart, rows: Rows, anchor: int | None, random: Random) -> Period:
    item = None if anchor is None else _item(rows, anchor)
    candidates = None if item is None else rows.of_item(item)
    for _ in range(MAX_DRAWS):
        period = draw_period(chart.los_us, random)
        if rows.within(period, candidates):
            return period
    return ENTIRE_STAY


def _draw_organism(rows: Rows, anchor: int, random: Random) -> int | None:
    grown = [row for row in rows.where(rows.at_time(rows.at[anchor]), anchor, "spec_type_desc") if rows.get("org_name", row)]
    return random.choice(grown) if grown else None


def _stay_row(rows: Rows) -> int | None:
    """The row that a question about the whole stay is about; for transfers the one discharge."""
    if rows.event_type != "transfers":
        return 0
    discharges = [row for row in range(len(rows)) if rows.get("leaves", row)]
    return discharges[0] if len(discharges) == 1 else None


def _item(rows: Rows, row: int) -> str | None:
    item: str | None = rows.get(ITEM_COLUMN[rows.event_type], row)
    return item


def _answer(rows: Rows, template: Template, anchor: int, period: Period | None) -> Answer | None:
    """What one template's answer is for one anchor; None where it does not apply or the data cannot answer.

    Of several rows that are first or last at one time, the release takes the one that stands at the edge of the list; the others
    are ``_tied``.
    """
    chosen = _chosen(rows, template, anchor, period)
    if chosen is None:
        return None
    if template.pick in ("first", "last"):
        chosen = (chosen[0 if template.pick == "first" else -1],)
    return RULES[template.rule](rows, chosen, template.column)


def _tied(rows: Rows, template: Template, anchor: int, period: Period | None) -> list[str]:
    """The answers of all rows that are first or last at one time."""
    chosen = _chosen(rows, template, anchor, period)
    if chosen is None:
        return []
    edge = rows.at[chosen[0 if template.pick == "first" else -1]]
    answers = [RULES[template.rule](rows, (row,), template.column) for row in chosen if rows.at[row] == edge]
    return [answer.text for answer in answers if answer]


def _chosen(rows: Rows, template: Template, anchor: int, period: Period | None) -> Sequence[int] | None:
    """The rows that a template's answer is about; of a first or a last, all from which it is taken."""
    get = rows.get
    if template.needs is not None and get(template.needs, anchor) is None:
        return None
    for column in _COLUMNS[template.id]:
        if get(column, anchor) is None:
            return None
    chosen: Sequence[int]
    if template.pick == "one":
        chosen = (anchor,)
    elif template.pick == "like":
        chosen = rows.where(rows.at_time(rows.at[anchor]), anchor, *template.alike)
    elif period is None:
        chosen = range(len(rows))
    elif template.any_item:
        chosen = rows.within(period)
    else:
        item = _item(rows, anchor)
        if item is None:
            return None
        chosen = rows.within(period, rows.of_item(item))
    return chosen if chosen or template.scope != "period" else None


def _question(chart: Chart, rows: Rows, asked: _Asked) -> Question:
    template, anchor, period, answer = asked
    tied = _tied(rows, template, anchor, period) if template.pick in ("first", "last") else []
    return Question(
        chart.hadm_id,
        chart.subject_id,
        template.event_type,
        template.id,
        _fill(rows, template, anchor, period),
        answer.text,
        answer.type,
        answer.value,
        answer.unit,
        answer.tolerance,
        period.text if period else None,
        tuple(dict.fromkeys(text for text in tied if text != answer.text)),
    )


def _fill(rows: Rows, template: Template, anchor: int, period: Period | None) -> str:
    """The question's words."""
    slots = {column: rows.get(column, anchor) for column in _COLUMNS[template.id]}
    return template.question.format(**slots, t=f"{hours(rows.at[anchor]):.2f}", period=period.text if period else None)


_SLOTS = {t.id: tuple(part.partition("}")[0] for part in t.question.split("{")[1:]) for t in TEMPLATES}
_COLUMNS = {name: tuple(slot for slot in slots if slot not in ("t", "period")) for name, slots in _SLOTS.items()}
"""Slots that are columns of the anchor; a question with an empty one is not asked."""


def _with_alternatives(chart: Chart, rows: Rows, asked: _Asked) -> Question:
    """Word a question, with the other true answers to the same words."""
    question = _question(chart, rows, asked)
    template, anchor = asked.template, asked.row
    others: list[Answer | None] = []
    if template.scope == "hour":
        alike = (row for row in rows.at_hour(rows.at[anchor]) if row != anchor and _same_words(rows, template, row, question.q))
        others = [_answer(rows, template, row, None) for row in alike]
    elif template.scope == "stay":
        others = [_answer(rows, twin, anchor, None) for twin in _TWINS[template.id]]
    answers = [other.text for other in others if other and other.text != question.a]
    return replace(question, alternatives=tuple(dict.fromkeys(answers))) if answers else question


def _same_words(rows: Rows, template: Template, row: int, words: str) -> bool:
    return (
        all(rows.get(column, row) is not None for column in _COLUMNS[template.id]) and _fill(rows, template, row, None) == words
    )


_TWINS = {t.id: tuple(o for o in _BY_TYPE[t.event_type] if o.question == t.question and o.id != t.id) for t in TEMPLATES}
"""Templates that ask in the same words and answer in another way."""


def _enumerate(chart: Chart, rows: Rows, template: Template) -> Iterator[Question]:
    anchors: Sequence[int]
    periods: Sequence[Period | None] = [None]
    if template.scope == "stay":
        row = _stay_row(rows)
        anchors = [] if row is None else [row]
    elif template.scope == "hour":
        anchors = range(len(rows))
    else:
        anchors = [0] if template.any_item else [found[0] for found in rows.by_item.values()]
        periods = every_period(chart.los_us)
    for anchor in anchors:
        # Whether a dose may be asked for depends on the anchor, and any row of the item may be one.
        if template.scope == "period" and template.needs is not None:
            item = _item(rows, anchor)
            having = [row for row in rows.by_item[item or ""] if rows.get(template.needs, row) is not None]
            if not having:
                continue
            anchor = having[0]
        for period in periods:
            if answer := _answer(rows, template, anchor, period):
                yield _question(chart, rows, _Asked(template, anchor, period, answer))
