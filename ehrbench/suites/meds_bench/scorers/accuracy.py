"""The ``clean`` accuracies: the answer is read as one label of a closed set, or as chosen letters, before it is compared.

An answer that cannot be read is wrong and counted; a gold answer that cannot be read leaves the item undefined. Any of several
gold answers is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, listed
from ehrbench.suites.meds_bench.scorers import OURS
from ehrbench.suites.meds_bench.scorers.choices import choice_letters, true_false, yes_no_maybe
from ehrbench.suites.meds_bench.scorers.labels import (
    DDXPLUS,
    HEALTH_FACT,
    NLI,
    SEER,
    LabelSet,
    named_labels,
    normal_words,
    with_choices,
)

LabelTask = Literal["diagnosis", "treatment", "nli", "fact"]
LABEL_SETS: dict[LabelTask, LabelSet] = {"diagnosis": DDXPLUS, "treatment": SEER, "nli": NLI, "fact": HEALTH_FACT}
WordTask = Literal["yes_no_maybe", "true_false"]
_WORDS: dict[WordTask, tuple[Callable[[str], str | None], tuple[str, ...]]] = {
    "yes_no_maybe": (yes_no_maybe, ("yes", "no", "maybe")),
    "true_false": (true_false, ("true", "false")),
}

_GOLD_PHRASE = re.compile(r"^\s*the (?:diagnosis result|treatment planning) is\s*:?\s*", re.IGNORECASE)


def label_set(task: LabelTask, choices: tuple[str, ...]) -> LabelSet:
    """The labels of an item: its own choices, else the built-in set."""
    return with_choices(LABEL_SETS[task], choices)


def gold_label(task: LabelTask, gold: str, known: LabelSet) -> tuple[str | None, LabelSet]:
    """The label of a gold answer, and the set, which a gold beyond it joins."""
    bare = _GOLD_PHRASE.sub("", gold).strip().removesuffix(".")
    named = named_labels(bare, known)
    if len(named) == 1:
        return named[0], known
    if not normal_words(bare):
        return None, known
    return bare, known._replace(labels=(*known.labels, bare))


def _gold_letters(s: Scorable) -> Sequence[str]:
    """Alternative gold answers; letters among the labels are one answer of several letters."""
    return (", ".join(sorted(s.labels)),) if s.labels and all(len(label) == 1 for label in s.labels) else s.references


def score_choice(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the chosen letters are those of a gold answer, all of them and no other."""
    scores: list[Statistics | None] = []
    for s in scorables:
        golds = [letters for gold in _gold_letters(s) if (letters := choice_letters(gold, s.choices))]
        scores.append((float(choice_letters(s.answer, s.choices) in golds),) if golds else None)
    return scores


def _reads_choice(s: Scorable) -> Reading:
    golds = [letters for gold in _gold_letters(s) if (letters := choice_letters(gold, s.choices))]
    said = choice_letters(s.answer, s.choices)
    return {"read": listed(sorted(said)) if said else "no choice", "gold": " or ".join(listed(sorted(gold)) for gold in golds)}


def _reads_label(s: Scorable, task: LabelTask) -> Reading:
    known = label_set(task, s.choices)
    golds = []
    for gold in s.references:
        label, known = gold_label(task, gold, known)
        golds += [label] if label else []
    return {"read": listed(named_labels(s.answer, known)), "gold": " or ".join(golds)}


def _reads_word(s: Scorable, task: WordTask) -> Reading:
    read, _ = _WORDS[task]
    return {"read": read(s.answer) or "none of the words, or several", "gold": " or ".join(filter(None, map(read, s.references)))}


def score_label(scorables: Sequence[Scorable], task: LabelTask, ambiguous: bool = False) -> list[Statistics | None]:
    """1 where the answer names a gold label and no other (or, ``ambiguous``, where it names several)."""
    scores: list[Statistics | None] = []
    for s in scorables:
        known = label_set(task, s.choices)
        golds = []
        for gold in s.references:
            label, known = gold_label(task, gold, known)
            golds.append(label)
        named = named_labels(s.answer, known)
        if not any(golds):
            scores.append(None)
        else:
            scores.append((float(len(named) > 1 if ambiguous else len(named) == 1 and named[0] in golds),))
    return scores


def score_word(scorables: Sequence[Scorable], task: WordTask) -> list[Statistics | None]:
    """1 where the answer says the same of the words as a gold answer."""
    read, _ = _WORDS[task]
    scores: list[Statistics | None] = []
    for s in scorables:
        golds = {read(gold) for gold in s.references} - {None}
        scores.append((float(read(s.answer) in golds),) if golds else None)
    return scores


def _class_counts(said: int | None, gold: int, classes: int) -> Statistics:
    """tp, fp, fn of each class in turn for one item with one gold class."""
    counts = [0.0] * (3 * classes)
    if said == gold:
        counts[3 * gold] = 1.0
    else:
        counts[3 * gold + 2] = 1.0
        if said is not None:
            counts[3 * said + 1] = 1.0
    return tuple(counts)


def count_words(scorables: Sequence[Scorable], task: WordTask, only: str | None = None) -> list[Statistics | None]:
    """tp, fp, fn of each word, or of one; the first gold answer counts."""
    read, words = _WORDS[task]
    scores: list[Statistics | None] = []
    for s in scorables:
        gold = read(s.references[0]) if s.references else None
        if gold is None:
            scores.append(None)
            continue
        said = read(s.answer)
        counts = _class_counts(None if said is None else words.index(said), words.index(gold), len(words))
        at = 0 if only is None else 3 * words.index(only)
        scores.append(counts if only is None else counts[at : at + 3])
    return scores


def count_labels(scorables: Sequence[Scorable], task: LabelTask) -> list[Statistics | None]:
    """tp, fp, fn of each built-in label; an answer that names several names none. The first gold answer counts."""
    known = LABEL_SETS[task]
    scores: list[Statistics | None] = []
    for s in scorables:
        gold = named_labels(s.references[0], known) if s.references else ()
        if len(gold) != 1:
            scores.append(None)
            continue
        named = named_labels(s.answer, known)
        said = known.labels.index(named[0]) if len(named) == 1 else None
        scores.append(_class_counts(said, known.labels.index(gold[0]), len(known.labels)))
    return scores


_SPACE = re.compile(r"\s*,\s+")
_NOT_FOUND = frozenset((("none",), *(("not", word) for word in ("found", "mentioned", "given", "specified", "reported"))))


def extracted(answer: str, gold: str) -> bool:
    """Whether every phrase of a gold answer (between commas) stands in the answer as whole words, in any order.

    Case, accents, marks and line ends are not compared. "Not found" is also said as none, not mentioned, not given …
    """
    said = normal_words(answer)
    if normal_words(gold) in _NOT_FOUND:
        return said in _NOT_FOUND
    phrases = [phrase for part in _SPACE.split(gold) if (phrase := normal_words(part))]
    joined = f" {' '.join(said)} "
    return bool(phrases) and all(f" {' '.join(phrase)} " in joined for phrase in phrases)


def score_extracted(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the answer holds any one of the gold answers."""
    return [(float(any(extracted(s.answer, gold) for gold in s.references)),) if s.references else None for s in scorables]


def class_f1(statistics: Statistics) -> float:
    """F1 over the pairs of item and class of one item: 1 where all is right, 0 where there is nothing."""
    right, wrong = sum(statistics[0::3]), sum(statistics[1::3]) + sum(statistics[2::3])
    return 2 * right / (2 * right + wrong) if right else 0.0


def _mean(
    key: str,
    label: str,
    function: Callable[..., list[Statistics | None]],
    about: str,
    higher: bool = True,
    reads: Callable[[Scorable], Reading] | None = None,
) -> Metric:
    settings = {"reading": "closed set", "references": "any"}
    return Metric(
        key, 1, label, "item_mean", function, higher_is_better=higher, settings=settings, about=about, cite=OURS, reads=reads
    )


def counted(
    key: str,
    label: str,
    function: Callable[..., list[Statistics | None]],
    aggregate: str,
    about: str,
    cite: str = OURS,
    note: str = "",
) -> Metric:
    """A metric whose statistics are tp, fp, fn of each class."""
    kind: Literal["macro_f1", "set_f1"] = "set_f1" if aggregate == "micro_f1" else "macro_f1"
    settings = {"reading": "substring" if note else "closed set", "references": "first"}
    return Metric(
        key,
        1,
        label,
        kind,
        function,
        aggregate=aggregate,
        item_score=class_f1,
        settings=settings,
        about=about,
        cite=cite,
        note=note,
    )


CHOICE_ACCURACY = _mean(
    "choice_accuracy",
    "Accuracy",
    score_choice,
    "The share of questions whose chosen options are exactly the right ones, however the answer is worded.",
    reads=_reads_choice,
)
YES_NO_MAYBE_ACCURACY = _mean(
    "yes_no_maybe_accuracy",
    "Accuracy",
    partial(score_word, task="yes_no_maybe"),
    "The share of questions whose answer says the right one of yes, no and maybe.",
    reads=partial(_reads_word, task="yes_no_maybe"),
)
IE_ACCURACY = _mean(
    "ie_accuracy",
    "Accuracy (whole words)",
    score_extracted,
    "The share of answers that hold every phrase of a gold answer as whole words, in any order.",
)


def _names_one(task: LabelTask, what: str) -> Metric:
    about = f"The share of answers that name exactly one {what} of the closed set, and the right one."
    score, reads = partial(score_label, task=task), partial(_reads_label, task=task)
    return _mean(f"{task}_accuracy", "Accuracy", score, about, reads=reads)


DIAGNOSIS_ACCURACY = _names_one("diagnosis", "disease")
TREATMENT_ACCURACY = _names_one("treatment", "treatment")
NLI_ACCURACY = _names_one("nli", "relation")
FACT_ACCURACY = _names_one("fact", "verdict")
OUTCOME_ACCURACY = _mean(
    "outcome_accuracy",
    "Accuracy",
    partial(score_word, task="true_false"),
    "The share of answers that say true or false, or a synonym, rightly.",
    reads=partial(_reads_word, task="true_false"),
)


def _ambiguous(task: LabelTask, what: str) -> Metric:
    return _mean(
        f"{task}_ambiguous",
        "Share naming several labels",
        partial(score_label, task=task, ambiguous=True),
        f"The share of answers that name several {what} and so commit to none; they count as wrong.",
        higher=False,
        reads=partial(_reads_label, task=task),
    )


DIAGNOSIS_AMBIGUOUS = _ambiguous("diagnosis", "diseases")
TREATMENT_AMBIGUOUS = _ambiguous("treatment", "treatments")
NLI_AMBIGUOUS = _ambiguous("nli", "relations")
FACT_AMBIGUOUS = _ambiguous("fact", "verdicts")

_BALANCED = "The share of each {} that is found, averaged over the {}, so that rare ones count as much as common ones."
OUTCOME_BALANCED_ACCURACY = counted(
    "outcome_balanced_accuracy",
    "Balanced accuracy",
    partial(count_words, task="true_false"),
    "balanced_accuracy",
    _BALANCED.format("of true and false", "two"),
)
OUTCOME_F1 = counted(
    "outcome_f1",
    "F1 of true",
    partial(count_words, task="true_false", only="true"),
    "micro_f1",
    "Harmonic mean of precision and recall of the answer true: false alarms and missed cases both lower it.",
)
NLI_BALANCED_ACCURACY = counted(
    "nli_balanced_accuracy",
    "Balanced accuracy",
    partial(count_labels, task="nli"),
    "balanced_accuracy",
    _BALANCED.format("relation", "relations"),
)
FACT_BALANCED_ACCURACY = counted(
    "fact_balanced_accuracy",
    "Balanced accuracy",
    partial(count_labels, task="fact"),
    "balanced_accuracy",
    _BALANCED.format("verdict", "verdicts"),
)
