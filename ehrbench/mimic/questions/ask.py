"""Asking: a few questions drawn as the release drew them, or every question that the templates can ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from ehrbench.mimic.questions.answers import RULES, Answer, AnswerType
from ehrbench.mimic.questions.chart import ITEM_COLUMN, Chart, Rows, hours
from ehrbench.mimic.questions.periods import ENTIRE_STAY, Period, draw_period, every_period
from ehrbench.mimic.questions.templates import LIVE_TYPES, QUESTION_TYPES, TEMPLATES, Template

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
    """Other true answers: rows that the question's words do not tell apart (one hour's text, hours or days)."""


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
        asked = _ask_about(chart, rows, _draw_anchor(rows, random), random)
        if asked:
            questions.append(_with_alternatives(chart, rows, *random.choice(asked)))
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
            for question in first.values():
                yield replace(question, alternatives=tuple(dict.fromkeys(q.a for q in same if q.a != question.a)))


def _draw_anchor(rows: Rows, random: Random) -> int:
    if rows.event_type == "labevents":
        return random.choice(rows.by_item[random.choice(list(rows.by_item))])
    return random.randrange(len(rows))


def _ask_about(chart: Chart, rows: Rows, anchor: int, random: Random) -> list[tuple[Question, Template, int]]:
    """Every question that applies to an anchor row, with the row it is about."""
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
        if row is not None and (question := _evaluate(chart, rows, template, row, period)):
            asked.append((question, template, row))
    return asked


def _draw_nonempty(chart: Chart, rows: Rows, anchor: int | None, random: Random) -> Period:
    item = None if anchor is None else _item(rows, anchor)
    candidates = None if item is None else rows.by_item[item]
    for _ in range(MAX_DRAWS):
        period = draw_period(chart.los_us, random)
        if rows.within(period, candidates):
            return period
    return ENTIRE_STAY


def _draw_organism(rows: Rows, anchor: int, random: Random) -> int | None:
    grown = [row for row in rows.where(rows.by_time[rows.at[anchor]], anchor, "spec_type_desc") if rows.get("org_name", row)]
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


def _evaluate(chart: Chart, rows: Rows, template: Template, anchor: int, period: Period | None) -> Question | None:
    """Fill one template for one anchor; None where it does not apply or the data cannot answer."""
    if template.needs is not None and rows.get(template.needs, anchor) is None:
        return None
    chosen: Sequence[int]
    if template.pick == "one":
        chosen = [anchor]
    elif template.pick == "like":
        chosen = rows.where(rows.by_time[rows.at[anchor]], anchor, *template.alike)
    elif period is None:
        chosen = range(len(rows))
    elif template.any_item:
        chosen = rows.within(period)
    else:
        item = _item(rows, anchor)
        if item is None:
            return None
        chosen = rows.within(period, rows.by_item[item])
    if template.pick in ("first", "last"):
        if not chosen:
            return None
        chosen = [chosen[0 if template.pick == "first" else -1]]
    if template.scope == "period" and not chosen:
        return None
    answer = RULES[template.rule](rows, chosen, template.column)
    if answer is None:
        return None
    words = _fill(rows, template, anchor, period)
    return None if words is None else _question(chart, template, words, answer, period)


def _question(chart: Chart, template: Template, words: str, answer: Answer, period: Period | None) -> Question:
    return Question(
        chart.hadm_id,
        chart.subject_id,
        template.event_type,
        template.id,
        words,
        answer.text,
        answer.type,
        answer.value,
        answer.unit,
        answer.tolerance,
        period.text if period else None,
    )


def _fill(rows: Rows, template: Template, anchor: int, period: Period | None) -> str | None:
    """The question's words; None where a slot has no value."""
    slots: dict[str, Any] = {}
    for slot in _SLOTS[template.id]:
        if slot == "t":
            slots[slot] = f"{hours(rows.at[anchor]):.2f}"
        elif slot == "period":
            slots[slot] = period.text if period else None
        else:
            slots[slot] = rows.get(slot, anchor)
        if slots[slot] is None:
            return None
    return template.question.format_map(slots)


_SLOTS = {t.id: tuple(part.partition("}")[0] for part in t.question.split("{")[1:]) for t in TEMPLATES}


def _with_alternatives(chart: Chart, rows: Rows, question: Question, template: Template, anchor: int) -> Question:
    """Add the other true answers to the same words."""
    others: list[Question | None] = []
    if template.scope == "hour":
        alike = rows.by_hour_text[f"{hours(rows.at[anchor]):.2f}"]
        others = [_evaluate(chart, rows, template, row, None) for row in alike]
    elif template.scope == "stay":
        twins = [t for t in _BY_TYPE[rows.event_type] if t.question == template.question and t.id != template.id]
        others = [_evaluate(chart, rows, twin, anchor, None) for twin in twins]
    answers = [other.a for other in others if other and other.q == question.q and other.a != question.a]
    return replace(question, alternatives=tuple(dict.fromkeys(answers)))


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
            if question := _evaluate(chart, rows, template, anchor, period):
                yield question
