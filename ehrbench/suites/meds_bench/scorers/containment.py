"""The ``paper`` accuracies: the gold answer is contained in the model's, or begins with the same letter.

Each function takes one answer and one gold answer as the CSV files hold them and tells what the reference's script does with the
pair. Where the script would crash (an empty cell, a column of numbers), the answer is wrong and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading
from ehrbench.suites.meds_bench.scorers import PAPER
from ehrbench.suites.meds_bench.scorers._cells import as_string, is_missing

Rule = Callable[[str, str], bool]
"""(answer, gold) to whether the reference counts it as correct."""


def _first(cell: str) -> str:
    return as_string(cell).lower().replace("the right answer is", "").strip()[:1]


def first_letter(answer: str, gold: str, letters: str) -> bool:
    """Both begin with the same one of ``letters``; an empty answer is read as the word "nan"."""
    said = _first(answer)
    return said != "" and said in letters and said == _first(gold)


def extraction(answer: str, gold: str) -> bool:
    """Quotation marks and line ends are deleted; nothing parts the words on two lines."""
    return _bare(gold) in _bare(answer)


def _bare(cell: str) -> str:
    text = as_string(cell).lower().strip()
    return text.replace('"', "").replace("'", "").replace("\n", "")


def _gold(gold: str, phrase: str = "") -> str:
    text = gold.replace(".", "")
    return (text.replace(phrase, "") if phrase else text).strip().lower()


def named(answer: str, gold: str, phrase: str) -> bool:
    """Diagnosis and treatment: the gold's label, without full stops and its opening phrase, somewhere in the answer."""
    return not is_missing(answer) and _gold(gold, phrase) in answer.lower()


def entailed(answer: str, gold: str) -> bool:
    """NLI: the gold's label somewhere in the answer."""
    return _gold(gold) in as_string(answer).lower().strip()


def verified(answer: str, gold: str) -> bool:
    """Fact verification: the gold's label somewhere in the answer's first line, which may be empty."""
    return not is_missing(answer) and _gold(gold) in answer.split("\n")[0].strip().lower()


def outcome(answer: str, gold: str) -> bool:
    """The gold's one of the words true and false in the answer, and not the other."""
    said, truth = as_string(answer).lower().strip(), as_string(gold).lower().strip()
    if truth not in ("true", "false"):
        return False
    return truth in said and ({"true", "false"} - {truth}).pop() not in said


def score(scorables: Sequence[Scorable], rule: Rule) -> list[Statistics | None]:
    """1 where the rule holds for the first gold answer, else 0; None without one."""
    return [(float(rule(s.answer, s.references[0])),) if s.references else None for s in scorables]


def _reads(s: Scorable) -> Reading:
    return {"looked for": s.references[0] if s.references else ""}


_FALSE_HITS = "As the reference: the gold answer anywhere in the model's is correct, so hedging and parts of words score."
_ANYWHERE = "The share of answers that hold the gold {} anywhere, even inside a word or beside another; long answers gain by it."


def _metric(key: str, label: str, rule: Rule, section: str, about: str, note: str = _FALSE_HITS) -> Metric:
    return Metric(
        key,
        1,
        label,
        "item_mean",
        partial(score, rule=rule),
        settings={"rule": "reference", "references": "first"},
        about=about,
        cite=f"{PAPER}{section}.",
        reads=_reads,
        note=note,
    )


_LETTERS = "As the reference: the first letter after 'The right answer is' decides; 'Answer: B' counts as A, and {} never scores."
_FIRST_LETTER = "The share of answers whose first letter, after the phrase 'the right answer is', is the gold answer's: {}."

MCQA_FIRST_LETTER = _metric(
    "mcqa_first_letter",
    "Accuracy (first letter)",
    partial(first_letter, letters="abcd"),
    "4.1",
    _FIRST_LETTER.format("A to D"),
    _LETTERS.format("E, or a gold answer in another language,"),
)
MCQA_FIRST_LETTER_YES_NO = _metric(
    "mcqa_first_letter_yes_no",
    "Accuracy (first letter, yes or no)",
    partial(first_letter, letters="yn"),
    "4.1",
    _FIRST_LETTER.format("y or n"),
    _LETTERS.format("'maybe'") + " An empty answer counts as no.",
)
IE_CONTAINMENT = _metric(
    "ie_containment", "Accuracy (containment)", extraction, "4.3", _ANYWHERE.format("text, quotes and line ends aside,")
)
DIAGNOSIS_CONTAINMENT = _metric(
    "diagnosis_containment",
    "Accuracy (containment)",
    partial(named, phrase="The diagnosis result is"),
    "4.7",
    _ANYWHERE.format("disease"),
)
TREATMENT_CONTAINMENT = _metric(
    "treatment_containment",
    "Accuracy (containment)",
    partial(named, phrase="The treatment planning is:"),
    "4.8",
    _ANYWHERE.format("treatment"),
)
OUTCOME_TRUE_FALSE = _metric(
    "outcome_true_false",
    "Accuracy (true or false)",
    outcome,
    "4.9",
    "The share of answers that hold the right one of the words true and false, and not the other.",
    "As the reference: only the words true and false are read; an answer with both is wrong.",
)
FACT_CONTAINMENT = _metric(
    "fact_containment",
    "Accuracy (containment, first line)",
    verified,
    "4.11",
    "The share of answers whose first line holds the gold verdict anywhere, even inside a word.",
)
NLI_CONTAINMENT = _metric("nli_containment", "Accuracy (containment)", entailed, "4.12", _ANYWHERE.format("relation"))
