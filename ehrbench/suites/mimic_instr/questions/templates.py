"""Every question template, as one table (protocol page, section 3.3). The misspellings are the authors'.

A line with ``{edge}`` stands for two templates (first, last), one with ``{extreme}`` for three. The paper's Table 6 prints 60
rows (78 templates so split), the released code has 47 rows (58 templates) on its eight live event types; ours are the union.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Scope = Literal["stay", "hour", "period", "free"]
Pick = Literal["one", "like", "all", "first", "last"]

LIVE_TYPES = (
    "patient_demographics",
    "admission_info",
    "diagnoses_icd",
    "labevents",
    "procedureevents",
    "microbiologyevents",
    "prescriptions",
    "transfers",
)
"""The types that the released questions are drawn from, uniformly."""
QUESTION_TYPES = (*LIVE_TYPES, "inputevents", "outputevents")
"""With the two of the paper's tables whose questions the released code has but does not ask."""


@dataclass(frozen=True)
class Template:
    """One question with slots, and how it is answered."""

    id: str
    event_type: str
    question: str
    """Slots are columns of the anchor row; ``{t}`` is its hour, ``{period}`` a stretch of the stay."""
    scope: Scope
    """``stay``: asked once. ``hour``: about an exact time. ``period``: about a stretch in which the item occurs. ``free``: about
    any stretch, the only source of "No"."""
    pick: Pick
    """Which rows the rule sees. ``one``: the anchor. ``like``: those of its time that agree in ``alike``. ``all``, ``first``,
    ``last``: those (the one) of the anchor's item in the period; of the type, where ``any_item``."""
    rule: str
    """Name in ``answers.RULES``."""
    column: str
    needs: str | None
    """A column that the anchor must have a value in."""
    alike: tuple[str, ...]
    any_item: bool
    row: int
    """Line of the table, counted from 0: the "rows as printed"."""
    in_paper: bool
    """Whether Table 6 prints it."""


def _line(
    event_type: str,
    name: str,
    question: str,
    scope: Scope,
    pick: Pick | Literal["edge"],
    rule: str,
    column: str = "",
    *,
    needs: str | None = None,
    alike: str = "",
    any_item: bool = False,
    in_paper: bool = True,
) -> tuple[str, str, str, Scope, str, str, str, str | None, tuple[str, ...], bool, bool]:
    return event_type, name, question, scope, pick, rule, column, needs, tuple(alike.split()), any_item, in_paper


_L = _line
_DEMO, _ADM, _DX, _LAB, _MICRO = "patient_demographics", "admission_info", "diagnoses_icd", "labevents", "microbiologyevents"
_RX, _MOVE, _PROC, _IN, _OUT = "prescriptions", "transfers", "procedureevents", "inputevents", "outputevents"

_TABLE = [
    _L(_DEMO, "gender", "What was the gender of the patient?", "stay", "one", "text", "gender"),
    _L(_DEMO, "age", "What was the age of the patient?", "stay", "one", "text", "age"),
    _L(_DEMO, "race", "What was the race of the patient?", "stay", "one", "text", "race"),
    _L(_DEMO, "marital_status", "What was the marital status of the patient?", "stay", "one", "text", "marital_status"),
    _L(_DEMO, "insurance", "What was the insurance of the patient?", "stay", "one", "text", "insurance"),
    _L(_ADM, "type", "What was the admission type of the patient?", "stay", "one", "text", "admission_type"),
    _L(_ADM, "location", "What was the admission location of the patient?", "stay", "one", "text", "admission_location"),
    _L(_ADM, "complaint", "What aws the chief complaint of the patient?", "stay", "one", "text", "chief_complaint"),
    _L(_DX, "all", "What were the billled diagnoses of the patient?", "stay", "all", "titles", "long_title"),
    _L(
        _DX, "top1", "What was the first billled diagnose of the patient?", "stay", "all", "title 1", "long_title", in_paper=False
    ),
    _L(
        _DX,
        "top3",
        "What were the top three billled diagnoses of the patient?",
        "stay",
        "all",
        "titles 3",
        "long_title",
        in_paper=False,
    ),
    _L(_DX, "top5", "What were the top five billled diagnoses of the patient?", "stay", "all", "titles 5", "long_title"),
    _L(_LAB, "value", "What was the {item} measurement at the {t} hour?", "hour", "one", "quantity", "number"),
    _L(_LAB, "normal", "Was the {item} measurement at the {t} hour normal?", "hour", "one", "flag", "normal"),
    _L(
        _LAB,
        "performed",
        "What {category} measurements were performed on the {fluid} specimen at the {t} hour?",
        "hour",
        "like",
        "all",
        "label",
        alike="fluid category",
    ),
    _L(
        _LAB,
        "abnormal",
        "What {category} measurements on the {fluid} specimen were abnormal at the {t} hour?",
        "hour",
        "like",
        "abnormal",
        "label",
        alike="fluid category",
    ),
    _L(_LAB, "value_in", "What was the {edge} {item} measurement {period}?", "period", "edge", "quantity", "number"),
    _L(_LAB, "when", "When was the {edge} {item} measurement {period}?", "period", "edge", "time"),
    _L(_LAB, "count", "How many times did the patient have the {item} measurement {period}?", "period", "all", "count"),
    _L(_LAB, "{extreme}", "What was the {extreme} {item} measurement {period}?", "period", "all", "{extreme}", "number"),
    _L(_LAB, "any", "Did the patient have any {item} measurement {period}?", "free", "all", "exists"),
    _L(
        _MICRO,
        "tests",
        "What microbiology tests were performed on the {spec_type_desc} specimen at the {t} hour?",
        "hour",
        "like",
        "distinct",
        "test_name",
        alike="spec_type_desc",
    ),
    _L(
        _MICRO,
        "organisms",
        "What organisms were found on the {spec_type_desc} specimen at the {t} hour?",
        "hour",
        "like",
        "organisms",
        "org_name",
        alike="spec_type_desc",
    ),
    _L(
        _MICRO,
        "antibiotics",
        "What were the antibiotics test results against the {org_name} on the {spec_type_desc} specimen at the {t} hour?",
        "hour",
        "like",
        "antibiotics",
        needs="org_name",
        alike="spec_type_desc org_name",
    ),
    _L(
        _MICRO,
        "any",
        "Did the patient have any microbiology test on the {spec_type_desc} specimen {period}?",
        "free",
        "all",
        "exists",
    ),
    _L(
        _RX,
        "composition",
        "What was the composition of the prescribed {drug} at the {t} hour?",
        "hour",
        "one",
        "text",
        "prod_strength",
        needs="prod_strength",
    ),
    _L(
        _RX,
        "dose",
        "What was the dose of the prescribed {drug} at the {t} hour?",
        "hour",
        "one",
        "quantity",
        "dose_val_rx",
        needs="dose_val_rx",
    ),
    _L(
        _RX,
        "route",
        "What was the administration route of the prescribed {drug} at the {t} hour?",
        "hour",
        "one",
        "text",
        "route",
    ),
    _L(
        _RX,
        "duration",
        "What was the administration duration of the prescribed {drug} at the {t} hour?",
        "hour",
        "one",
        "duration",
        "duration",
    ),
    _L(_RX, "drugs", "What drugs were prescribed at the {t} hour?", "hour", "like", "distinct", "drug"),
    _L(
        _RX,
        "composition_in",
        "What was the composition of the {edge} prescribed {drug} {period}?",
        "period",
        "edge",
        "text",
        "prod_strength",
        needs="prod_strength",
    ),
    _L(
        _RX,
        "dose_in",
        "What was the dose of the {edge} prescribed {drug} {period}?",
        "period",
        "edge",
        "quantity",
        "dose_val_rx",
        needs="dose_val_rx",
    ),
    _L(
        _RX,
        "route_in",
        "What was the administration route of the {edge} prescribed {drug} {period}?",
        "period",
        "edge",
        "text",
        "route",
    ),
    _L(
        _RX,
        "duration_in",
        "What was the administration duration of the {edge} prescribed {drug} {period}?",
        "period",
        "edge",
        "duration",
        "duration",
    ),
    _L(_RX, "when", "When was the {edge} {drug} prescription {period}?", "period", "edge", "time"),
    _L(_RX, "count", "How many times did the patient have the {drug} prescription {period}?", "period", "all", "count"),
    _L(_RX, "any", "Was the patient prescribed with any {drug} {period}?", "free", "all", "exists"),
    _L(
        _MOVE,
        "unit",
        "Which unit was the patient transferred to at the {t} hour?",
        "hour",
        "one",
        "text",
        "careunit",
        needs="careunit",
    ),
    _L(_MOVE, "discharged", "When was the patient discharged from the hospital?", "stay", "one", "time"),
    _L(_MOVE, "stay_hours", "How long was the length of hospital stay of the patient?", "stay", "one", "hours"),
    _L(_MOVE, "stay_days", "How long was the length of hospital stay of the patient?", "stay", "one", "days"),
    _L(_PROC, "performed", "What procedures were performed at the {t} hour?", "hour", "like", "distinct", "label"),
    _L(_PROC, "performed_in", "What procedures were performed {period}?", "period", "all", "distinct", "label", any_item=True),
    _L(
        _PROC,
        "duration_in",
        "What was the duration of the {edge} {label} procedure {period}?",
        "period",
        "edge",
        "duration",
        "duration",
    ),
    _L(_PROC, "when", "When was the {edge} {label} procedure {period}?", "period", "edge", "time"),
    _L(_PROC, "count", "How many times did the patient undergo the {label} procedure {period}?", "period", "all", "count"),
    _L(_PROC, "any", "Did the patient undergo any {label} procedure {period}?", "free", "all", "exists"),
    _L(
        _IN,
        "amount",
        "What was the amount of the IV administration {label} at the {t} hour?",
        "hour",
        "one",
        "quantity",
        "amount",
    ),
    _L(
        _IN,
        "duration",
        "What was the duration of IV administration {label} at the {t} hour?",
        "hour",
        "one",
        "duration",
        "duration",
    ),
    _L(_IN, "drugs", "What drugs were administered through IV at the {t} hour?", "hour", "like", "distinct", "label"),
    _L(
        _IN,
        "amount_in",
        "What was the amount of the {edge} IV administration {label} {period}?",
        "period",
        "edge",
        "quantity",
        "amount",
    ),
    _L(
        _IN,
        "duration_in",
        "What was the duration of the {edge} IV administration {label} {period}?",
        "period",
        "edge",
        "duration",
        "duration",
    ),
    _L(_IN, "when", "When was the {edge} {label} IV administration {period}?", "period", "edge", "time"),
    _L(_IN, "count", "How many times did the patient have the {label} IV administration {period}?", "period", "all", "count"),
    _L(_IN, "any", "Was the patient administered with any {label} through IV {period}?", "free", "all", "exists"),
    _L(_OUT, "amount", "What was the amount of the output {label} at the {t} hour?", "hour", "one", "quantity", "value"),
    _L(_OUT, "amount_in", "What was the amount of the {edge} output {label} {period}?", "period", "edge", "quantity", "value"),
    _L(_OUT, "total", "What was the total amount of the output {label} {period}?", "period", "all", "sum .2f", "value"),
    _L(
        _OUT,
        "{extreme}",
        "What was the {extreme} amount of the output {label} {period}?",
        "period",
        "all",
        "{extreme} .2f",
        "value",
    ),
    _L(_OUT, "when", "When was the {edge} {label} output {period}?", "period", "edge", "time"),
    _L(_OUT, "count", "How many times did the patient have the {label} output {period}?", "period", "all", "count"),
    _L(_OUT, "any", "Did the patient have any {label} output {period}?", "free", "all", "exists"),
]


def _templates() -> Iterator[Template]:
    for row, (event_type, name, question, scope, pick, rule, column, needs, alike, any_item, in_paper) in enumerate(_TABLE):
        if "{edge}" in question:
            variants = [("{edge}", word, f".{word}") for word in ("first", "last")]
        elif "{extreme}" in question:
            variants = [("{extreme}", word, "") for word in ("maximum", "minimum", "average")]
        else:
            variants = [("{}", "", "")]
        for slot, word, suffix in variants:
            yield Template(
                id=f"{event_type}.{name.replace(slot, word)}{suffix}",
                event_type=event_type,
                question=question.replace(slot, word),
                scope=scope,
                pick=word if pick == "edge" else pick,  # type: ignore[arg-type]
                rule=rule.replace(slot, word),
                column=column,
                needs=needs,
                alike=alike,
                any_item=any_item,
                row=row,
                in_paper=in_paper,
            )


TEMPLATES: tuple[Template, ...] = tuple(_templates())
"""In the order of the protocol page."""
