from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest

from ehrbench.suites.mimic_instr.questions import LIVE_TYPES, TEMPLATES, Chart, Question, all_questions, sample_questions
from ehrbench.suites.mimic_instr.questions.chart import Rows
from ehrbench.suites.mimic_instr.questions.periods import ENTIRE_STAY, draw_period, every_period, n_days
from tests.conftest import GOLDEN

HOUR = 3_600_000_000


def chart(event_type: str, los_hours: float = 60, **columns: list[object]) -> Chart:
    """A chart with events of one type; ``t`` is their hour."""
    filled = {name: values for name, values in columns.items() if name != "t"}
    at = [round(float(str(t)) * HOUR) for t in columns["t"]]
    return Chart(2, 1, round(los_hours * HOUR), {event_type: Rows(event_type, {"at_us": at, **filled})})


def asked(of: Chart) -> dict[str, Question]:
    return {f"{q.template} {q.q}": q for q in all_questions(of)}


def answers(of: Chart, words: str) -> list[str]:
    return [q.a for q in all_questions(of) if q.q == words]


def test_the_table_has_the_papers_counts() -> None:
    def rows(*templates: object) -> int:
        return len({t.row for t in templates})  # type: ignore[attr-defined]

    live = [t for t in TEMPLATES if t.event_type in LIVE_TYPES]
    paper = [t for t in TEMPLATES if t.in_paper]
    assert (len(TEMPLATES), rows(*TEMPLATES)) == (80, 62)
    assert (len(live), rows(*live)) == (58, 47)
    assert (len(paper), rows(*paper)) == (78, 60)
    timed = [t for t in TEMPLATES if "{period}" in t.question]
    assert len(timed) == 47
    assert sum(t in live for t in timed) == 29
    assert sum(8 if "{period}" in t.question else 1 for t in live) == 261
    assert sum(8 if "{period}" in t.question else 1 for t in TEMPLATES) == 409
    assert len({t.id for t in TEMPLATES}) == 80


@pytest.mark.demo_data
def test_golden_questions_get_their_golden_answers(demo_charts: Mapping[int, Chart]) -> None:
    goldens = [json.loads(line) for line in (GOLDEN / "mimic-instr-qa.jsonl").read_text().splitlines()]
    assert len(goldens) == 9
    for golden in goldens:
        found = [q for q in all_questions(demo_charts[golden["hadm_id"]]) if q.q == golden["q"]]
        assert golden["a"] in [q.a for q in found], golden["id"]
        assert {(q.subject_id, q.event_type) for q in found} == {(golden["subject_id"], golden["event_type"])}


@pytest.mark.demo_data
def test_companions_of_the_goldens(demo_charts: Mapping[int, Chart]) -> None:
    xray = "What was the duration of the first Chest X-Ray procedure during the first 48 hours?"
    assert answers(demo_charts[24745425], xray) == ["0.02 hours"]
    organisms = "What organisms were found on the BRONCHIAL WASHINGS specimen at the 97.13 hour?"
    assert [set(a.split(", ")) for a in answers(demo_charts[28829452], organisms)] == [{"YEAST", "STAPH AUREUS COAG +"}]
    length = "How long was the length of hospital stay of the patient?"
    assert answers(demo_charts[22675517], length) == ["102.51 hours", "4.27 days"]


@pytest.mark.demo_data
def test_samples_are_drawn_from_everything_that_can_be_asked(demo_charts: Mapping[int, Chart]) -> None:
    types: Counter[str] = Counter()
    for number, of in enumerate(demo_charts.values()):
        drawn = sample_questions(of, 6, seed=1)
        assert len(drawn) == 6
        types.update(q.event_type for q in drawn)
        if number < 12:
            everything = {(q.template, q.q): {q.a, *q.alternatives} for q in all_questions(of)}
            for q in drawn:
                assert {q.a, *q.alternatives} == everything[q.template, q.q]
    assert set(types) == set(LIVE_TYPES)
    assert min(types.values()) > 50  # uniform over the eight types: 89 expected


@pytest.mark.demo_data
def test_draws_depend_on_the_seed_and_the_admission_only(demo_charts: Mapping[int, Chart]) -> None:
    first, second = list(demo_charts.values())[:2]
    assert sample_questions(first, 6, 1) == sample_questions(first, 6, 1)
    assert sample_questions(first, 6, 1) != sample_questions(first, 6, 2)
    assert sample_questions(first, 6, 1)[:3] == sample_questions(first, 3, 1)
    assert {q.hadm_id for q in sample_questions(second, 6, 1)} == {second.hadm_id}


@pytest.mark.demo_data
def test_every_template_is_asked_on_the_demo_and_no_answer_is_missing(demo_charts: Mapping[int, Chart]) -> None:
    seen: set[str] = set()
    for of in list(demo_charts.values())[:25]:
        for q in all_questions(of):
            seen.add(q.template)
            assert "nan" not in q.a.split()
            assert "None" not in q.q
            assert q.a
    assert {t.id for t in TEMPLATES} - seen == {"admission_info.complaint"}  # the demo has no notes


def test_periods_of_a_stay() -> None:
    assert [n_days(round(h * HOUR)) for h in (0, 23.99, 24, 60)] == [1, 1, 2, 3]
    texts = [p.text for p in every_period(60 * HOUR)]
    assert texts == [
        *(f"during the {edge} {n} hours" for edge in ("first", "last") for n in (12, 24, 48)),
        *(f"during day {d}" for d in (1, 2, 3)),
        "during the entire stay",
    ]
    drawn = Counter(draw_period(60 * HOUR, random).text for random in [Random(0)] for _ in range(3000))
    assert set(drawn) == set(texts) - {ENTIRE_STAY.text}


def test_which_rows_a_period_keeps() -> None:
    of = chart("procedureevents", 60, t=[-1, 0, 11.99, 12, 24, 47.99, 48, 60, 61], label=["X"] * 9, duration=[1.0] * 9)
    counts = {q.period: q.value for q in all_questions(of) if q.template == "procedureevents.count"}
    assert counts == {
        "during the first 12 hours": 3,
        "during the first 24 hours": 4,
        "during the first 48 hours": 6,
        "during the last 12 hours": 3,
        "during the last 24 hours": 4,
        "during the last 48 hours": 6,
        "during day 1": 3,
        "during day 2": 2,
        "during day 3": 3,
        "during the entire stay": 9,
    }


def test_counts_first_last_and_no() -> None:
    of = chart("procedureevents", 60, t=[1, 2, 2, 50], label=["A", "B", "A", "A"], duration=[0.5, 0.02, None, 3.0])
    q = asked(of)
    at = "during the first 12 hours?"
    assert q[f"procedureevents.count How many times did the patient undergo the A procedure {at}"].a == "2 times"
    assert q[f"procedureevents.count How many times did the patient undergo the B procedure {at}"].a == "1 time"
    assert q[f"procedureevents.when.last When was the last A procedure {at}"].a == "At the 2.00 hour"
    assert q[f"procedureevents.duration_in.first What was the duration of the first A procedure {at}"].a == "0.50 hours"
    assert f"procedureevents.duration_in.last What was the duration of the last A procedure {at}" not in q  # not known
    assert q["procedureevents.any Did the patient undergo any B procedure during day 3?"].a == "No"
    assert q[f"procedureevents.any Did the patient undergo any B procedure {at}"].a == "Yes"
    assert "procedureevents.count How many times did the patient undergo the B procedure during day 3?" not in q
    assert q["procedureevents.performed What procedures were performed at the 2.00 hour?"].a == "B, A"
    assert q[f"procedureevents.performed_in What procedures were performed {at}"].a == "A, B"


def labs(**change: list[object]) -> Chart:
    columns: dict[str, list[object]] = {
        "t": [1, 1, 2, 3],
        "item": ["Blood Na Chemistry", "Blood K Chemistry", "Blood Na Chemistry", "Blood Na Chemistry"],
        "label": ["Na", "K", "Na", "Na"],
        "fluid": ["Blood"] * 4,
        "category": ["Chemistry"] * 4,
        "quantity": ["140 mEq/L", "4.10", "141 mEq/L", "150 mEq/L"],
        "number": [140.0, 4.1, 141.0, 150.0],
        "unit": ["mEq/L", None, "mEq/L", "mEq/L"],
        "normal": [True, True, True, False],
    }
    return chart("labevents", **(columns | change))


def test_laboratory_answers() -> None:
    q = asked(labs())
    period = "during the entire stay?"
    assert q[f"labevents.maximum What was the maximum Blood Na Chemistry measurement {period}"].a == "150.0 mEq/L"
    assert q[f"labevents.minimum What was the minimum Blood Na Chemistry measurement {period}"].a == "140.0 mEq/L"
    assert q[f"labevents.average What was the average Blood Na Chemistry measurement {period}"].a == "143.67 mEq/L"
    assert f"labevents.maximum What was the maximum Blood K Chemistry measurement {period}" not in q  # no unit
    assert q["labevents.value What was the Blood K Chemistry measurement at the 1.00 hour?"].a == "4.10"
    assert (
        q["labevents.performed What Chemistry measurements were performed on the Blood specimen at the 1.00 hour?"].a == "Na, K"
    )
    abnormal = "labevents.abnormal What Chemistry measurements on the Blood specimen were abnormal at the {} hour?"
    assert q[abnormal.format("1.00")].a == "All lab tests were normal"
    assert (q[abnormal.format("1.00")].answer_type, q[abnormal.format("1.00")].value) == ("list", [])
    assert q[abnormal.format("3.00")].a == "Na"
    assert q["labevents.normal Was the Blood Na Chemistry measurement at the 3.00 hour normal?"].a == "No"


def test_an_unlike_unit_or_a_text_among_the_values_has_no_maximum() -> None:
    for change in ({"unit": ["mEq/L", None, "mmol/L", "mEq/L"]}, {"number": [140.0, 4.1, None, 150.0]}):
        q = asked(labs(**change))
        assert not any(key.startswith("labevents.maximum") and "entire" in key for key in q)
        assert any(key.startswith("labevents.count") for key in q)


def test_rows_that_the_words_do_not_tell_apart_are_alternatives() -> None:
    of = labs(t=[1, 1, 1.0000004, 3])
    words = "What was the Blood Na Chemistry measurement at the 1.00 hour?"
    found = [q for q in all_questions(of) if q.q == words]
    assert [(q.a, q.alternatives) for q in found] == [("140 mEq/L", ("141 mEq/L",))]
    performed = "What Chemistry measurements were performed on the Blood specimen at the 1.00 hour?"
    assert answers(of, performed) == ["Na, K"]  # by exact time


def test_the_first_and_last_of_several_at_one_time_have_the_others_as_alternatives() -> None:
    """Two Morphine at 3.75 h and two at 9 h: either dose is the first, either the last."""
    of = chart(
        "prescriptions",
        t=[3.75, 3.75, 5, 9, 9],
        drug=["Morphine"] * 5,
        prod_strength=["a", "b", "c", "d", None],
        dose_val_rx=["2", "4", "5", "6", "8"],
        dose=["2 mg", "4 mg", "5 mg", "6 mg", "8 mg"],
        dose_unit_rx=["mg"] * 5,
        route=["IV", "IV", "PO", "PO", "PO"],
        duration=[1.0, 2.0, 3.0, 4.0, 5.0],
    )
    found = {q.q: (q.a, q.alternatives) for q in all_questions(of)}
    of_morphine = "prescribed Morphine during the entire stay?"
    assert found[f"What was the dose of the first {of_morphine}"] == ("2 mg", ("4 mg",))
    assert found[f"What was the dose of the last {of_morphine}"] == ("8 mg", ("6 mg",))
    assert found[f"What was the composition of the first {of_morphine}"] == ("a", ("b",))
    assert found[f"What was the administration route of the first {of_morphine}"] == ("IV", ())
    assert found[f"What was the administration duration of the last {of_morphine}"] == ("5.00 hours", ("4.00 hours",))
    assert found["When was the first Morphine prescription during the entire stay?"] == ("At the 3.75 hour", ())
    for seed in range(40):
        for question in sample_questions(of, 6, seed):
            assert {question.a, *question.alternatives} == {found[question.q][0], *found[question.q][1]}


def test_a_missing_dose_is_never_an_answer() -> None:
    columns: dict[str, list[object]] = {
        "t": [1, 2],
        "drug": ["D", "D"],
        "prod_strength": ["1 mg Tablet", None],
        "dose": ["40 mg", None],
        "dose_val_rx": ["40", None],
        "dose_unit_rx": ["mg", "mg"],
        "route": ["PO", None],
        "duration": [1.0, 2.0],
    }
    q = asked(chart("prescriptions", **columns))
    period = "during the entire stay?"
    assert q[f"prescriptions.dose_in.first What was the dose of the first prescribed D {period}"].value == 40
    assert f"prescriptions.dose_in.last What was the dose of the last prescribed D {period}" not in q
    assert f"prescriptions.route_in.last What was the administration route of the last prescribed D {period}" not in q
    assert "prescriptions.composition What was the composition of the prescribed D at the 2.00 hour?" not in q
    assert q["prescriptions.drugs What drugs were prescribed at the 1.00 hour?"].a == "D"


def micro(**change: list[object]) -> Chart:
    columns: dict[str, list[object]] = {
        "t": [1, 1, 1],
        "test_name": ["CULTURE", "CULTURE", "GRAM STAIN"],
        "spec_type_desc": ["URINE"] * 3,
        "org_name": ["E. COLI", "E. COLI", None],
        "ab_name": ["A", "B", None],
        "interpretation": ["sensitive", "resistant", None],
    }
    return chart("microbiologyevents", **(columns | change))


def test_microbiology_answers() -> None:
    q = asked(micro())
    at = "on the URINE specimen at the 1.00 hour?"
    results = f"microbiologyevents.antibiotics What were the antibiotics test results against the E. COLI {at}"
    assert q[f"microbiologyevents.tests What microbiology tests were performed {at}"].a == "CULTURE, GRAM STAIN"
    assert q[results].a == "A: sensitive, B: resistant"
    assert results not in asked(micro(interpretation=["sensitive", None, None]))
    assert asked(micro(ab_name=[None] * 3))[results].a == "No antibiotics was tested"
    nothing = asked(micro(org_name=[None] * 3))
    assert results not in nothing
    assert nothing[f"microbiologyevents.organisms What organisms were found {at}"].a == "No growth was found"


@pytest.mark.parametrize("discharges", [0, 1, 2])
def test_without_one_discharge_row_nothing_is_asked_about_the_length_of_stay(discharges: int) -> None:
    of = chart(
        "transfers",
        t=[0, *[59.5] * discharges],
        careunit=["Medicine", *[None] * discharges],
        leaves=[False, *[True] * discharges],
    )
    found = {q.template for q in all_questions(of)}
    assert ("transfers.discharged" in found) == (discharges == 1)
    assert found >= {"transfers.unit"}
    assert len(sample_questions(of, 6, 0)) == 6


def test_a_chart_that_answers_nothing_ends_the_draw() -> None:
    assert sample_questions(chart("transfers", t=[0], careunit=[None], leaves=[False]), 6, 0) == []
    assert sample_questions(Chart(2, 1, HOUR, {}), 6, 0) == []


def test_diagnoses_are_joined_with_semicolons() -> None:
    q = {x.template: x for x in all_questions(chart("diagnoses_icd", t=[60] * 4, long_title=["A, b", "C", "D", "E"]))}
    assert q["diagnoses_icd.all"].a == "A, b; C; D; E"
    assert q["diagnoses_icd.top1"].a == "A, b"
    assert q["diagnoses_icd.top3"].value == ["A, b", "C", "D"]
    assert q["diagnoses_icd.top5"].a == "A, b; C; D; E"


def test_totals_of_outputs() -> None:
    of = chart(
        "outputevents", t=[1, 2], label=["Foley"] * 2, value=[40.0, 2.5], quantity=["40.00 ml", "2.50 ml"], unit=["ml"] * 2
    )
    q = {x.template: x.a for x in all_questions(of) if x.period in (None, "during day 1")}
    assert q["outputevents.total"] == "42.50 ml"
    assert q["outputevents.average"] == "21.25 ml"
    assert q["outputevents.maximum"] == "40.00 ml"
    assert q["outputevents.amount_in.last"] == "2.50 ml"
