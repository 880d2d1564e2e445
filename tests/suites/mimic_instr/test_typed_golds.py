from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from random import Random

import pytest

from ehrbench.metrics import Scorable
from ehrbench.metrics.typed import score_typed
from ehrbench.suites.mimic_instr.questions import QUESTION_TYPES, Chart, Question, all_questions, sample_questions


def scorable(question: Question, answer: str) -> Scorable:
    gold = {"type": question.answer_type, "value": question.value, "unit": question.unit, "tolerance": question.tolerance}
    return Scorable("i", answer, (question.a, *question.alternatives), question=question.q, meta={"gold": gold})


def mean(scorables: list[Scorable]) -> float:
    scores = score_typed(scorables)
    return sum(s[0] for s in scores if s) / len(scores)


@pytest.mark.demo_data
def test_the_gold_scores_100_and_another_patients_gold_does_not(demo_charts: Mapping[int, Chart]) -> None:
    questions = [q for of in demo_charts.values() for q in sample_questions(of, 6, 1, QUESTION_TYPES)]
    assert mean([scorable(q, q.a) for q in questions]) == 1
    assert mean([scorable(q, other) for q in questions for other in q.alternatives]) == 1
    others = [q.a for q in Random(0).sample(questions, len(questions))]
    assert mean([scorable(q, a) for q, a in zip(questions, others, strict=True)]) < 0.1


@pytest.mark.demo_data
def test_a_different_gold_of_the_same_question_form_never_matches(demo_charts: Mapping[int, Chart]) -> None:
    by_template: dict[str, list[Question]] = defaultdict(list)
    for of in list(demo_charts.values())[::8]:
        everything = list(all_questions(of))
        for q in Random(of.hadm_id).sample(everything, min(1500, len(everything))):
            by_template[q.template].append(q)
    random = Random(0)
    for template, questions in by_template.items():
        assert mean([scorable(q, q.a) for q in questions]) == 1, template
        pairs = [(random.choice(questions), random.choice(questions)) for _ in range(300)]
        for asked, other in pairs:
            (score,) = score_typed([scorable(asked, other.a)])
            if score == (1.0,):
                assert other.a == asked.a or other.a in asked.alternatives or same(asked, other), (template, asked.template)


def same(one: Question, other: Question) -> bool:
    """Equal in meaning, though written otherwise: an order, a capital, a unit that is spelled in two ways, a blank before it."""
    if isinstance(one.value, list) and isinstance(other.value, list):
        return {v.casefold() for v in one.value} == {v.casefold() for v in other.value}
    if isinstance(one.value, str) and isinstance(other.value, str):
        return "".join(one.value.casefold().split()) == "".join(other.value.casefold().split())
    return one.value == other.value
