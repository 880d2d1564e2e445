"""Clean-ups that find the answer of a closed set in a model's text: chosen letters, a label, yes or no.

Each gives None where there is nothing to be found. A text that names several labels stays an answer (its labels, joined), so that
it is counted as ambiguous and not as unparsed.
"""

from __future__ import annotations

from functools import partial

from ehrbench.readers.item import Item
from ehrbench.suites.meds_bench.scorers import choices
from ehrbench.suites.meds_bench.scorers.accuracy import LabelTask, gold_label, label_set
from ehrbench.suites.meds_bench.scorers.labels import named_labels


def choice_letters(text: str, item: Item) -> str | None:
    """The chosen letters ("B", "A, C"); the item's choices bound them and give the options' texts."""
    letters = choices.choice_letters(text, item.choices)
    return ", ".join(sorted(letters)) if letters else None


def yes_no_maybe(text: str, item: Item) -> str | None:
    """``yes``, ``no`` or ``maybe``."""
    return choices.yes_no_maybe(text)


def true_false(text: str, item: Item) -> str | None:
    """``true`` or ``false``."""
    return choices.true_false(text)


def _label(text: str, item: Item, task: LabelTask) -> str | None:
    known = label_set(task, item.choices)
    for gold in item.references:
        # A gold answer beyond the built-in set belongs to it, or a right answer would count as unparsed.
        _, known = gold_label(task, gold, known)
    return "; ".join(named_labels(text, known)) or None


diagnosis_label = partial(_label, task="diagnosis")
treatment_label = partial(_label, task="treatment")
nli_label = partial(_label, task="nli")
fact_label = partial(_label, task="fact")
