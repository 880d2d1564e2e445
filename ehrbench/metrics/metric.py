"""A metric: a pure function from answered items to statistics, and the facts that say how to read its number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ehrbench.metrics.reading import Reading

Kind = Literal["item_mean", "corpus", "set_f1", "macro_f1", "auroc", "auprc", "calibration", "relative"]
Need = Literal["reference", "labels", "choices", "question", "source", "probabilities"]


@dataclass(frozen=True, slots=True)
class Scorable:
    """One answered item, as a metric sees it."""

    item: str
    """The item's id, for messages."""
    answer: str
    """The model's answer after the task's clean-ups; empty when it could not be parsed."""
    references: tuple[str, ...] = ()
    """Gold answers; the first is the gold of the ``paper`` protocol."""
    labels: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    question: str = ""
    source: str | None = None
    """A short part of the record, for source-augmented metrics."""
    probabilities: Mapping[str, float] | None = None
    """P(choice), where the model gave probabilities."""
    meta: Mapping[str, Any] = field(default_factory=dict)


Statistics = tuple[float, ...]
"""What an item contributes: one number for a mean, counts for a corpus metric."""


class Whole(NamedTuple):
    """A number of a set of items that is not made of scores of single ones."""

    items: Sequence[int]
    """Those for which it is defined, by their places among the scorables."""
    value: Callable[[Sequence[int]], float]
    """The number of some of them; raises EhrbenchError where there is none."""
    left_out: int
    """In how many parts, at most, the patients are left out in turn for its interval; 0: it has no interval."""


class ScoredAll(NamedTuple):
    """What ``Metric.score_all`` gives."""

    statistics: Sequence[Statistics | None]
    """In the order of the items; None where undefined."""
    notes: tuple[str, ...] = ()
    """What a reader of the number must know of these items ("3 texts were cut at 512 tokens"), one sentence each."""
    whole: Whole | None = None
    """Set where no item has a score of its own; ``statistics`` are then all None."""


@dataclass(frozen=True)
class SourceRule:
    """How a source-augmented metric wants ``Scorable.source`` to be made; ``scoring.sources`` carries it out."""

    mode: Literal["bm25", "instruction", "empty"]
    count: Callable[[Sequence[str]], Sequence[int]]
    """The metric's own tokens in each text, without special ones."""
    room: Callable[[Sequence[Scorable]], Sequence[int]]
    """Tokens that each item's source may have."""
    piece_words: int = 200
    """Longest piece of the record, in words."""


@dataclass(frozen=True)
class Metric:
    """Name, meaning and function of a metric.

    The corpus value and its interval come from ``stats.aggregate`` applied to the items' statistics, so a metric never
    aggregates and a resample never rescores.
    """

    name: str
    """The key in task files and results (``chrf_pp``)."""
    version: int
    """Raised when a number changes."""
    label: str
    """For people (``chrF++``)."""
    kind: Kind
    score: Callable[[Sequence[Scorable]], Sequence[Statistics | None]]
    """Statistics of each item, in the order given; None where the metric is undefined for an item (counted, never imputed)."""
    range: tuple[float, float] = (0.0, 1.0)
    higher_is_better: bool = True
    needs: frozenset[Need] = frozenset({"reference"})
    aggregate: str = "mean"
    """Name of the aggregate in ``ehrbench.stats.aggregate``; the first argument is the matrix of statistics."""
    item_score: Callable[[Statistics], float] = field(default=lambda statistics: statistics[0])
    """An item's own score, for comparisons and correlations."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What a reader must know to recompute it (tokeniser, n-gram order, checkpoint); part of the signature."""
    libraries: tuple[str, ...] = ()
    """Distributions whose versions belong to the signature."""
    about: str = ""
    """What a value says, in a sentence or two for a reader who does not know the metric."""
    cite: str = ""
    """Where the rule is from: its paper, or the page of these docs that defines it."""
    follows: Mapping[str, str] = field(default_factory=dict)
    """Libraries whose rules are followed here without their code, each with the version whose numbers these are; part of the
    signature."""
    note: str = ""
    """A caveat shown beside the number."""
    reads: Callable[[Scorable], Reading] | None = None
    """What it reads from an answer and from its golds, for people who look at an item; None: nothing but the score is shown."""
    unavailable: Callable[[], str | None] = field(default=lambda: None)
    """Why it cannot be computed on this machine, as one sentence with the next step; None when it can."""
    processes: bool = True
    """False when ``score`` holds its own pool, device or worker and must run in the calling process."""
    score_all: Callable[[Sequence[Scorable], Callable[[int], None]], ScoredAll] | None = None
    """Scores all items in one call and says how many more are done: for metrics that gain by seeing all texts at once."""
    source: SourceRule | None = None
    """Set where ``needs`` has "source"."""
    bounded: bool = True
    """False where ``range`` is only the usual one: values outside are legal, and there is no worst value."""
    tolerance: float = 1e-9
    """By how much the same computation may differ on another day (order of sums on a device)."""
    configure: Callable[[Mapping[str, str]], Metric] | None = None
    """Makes the metric that arguments (``comet.checkpoint`` and so on, all metrics' together) ask for; None: it takes none."""

    def signature(self) -> str:
        """One line that says how a number was made, as sacrebleu's does: ``chrf_pp|v:1|order:6|sacrebleu:2.6.0``."""
        from importlib.metadata import version

        parts = [self.name, f"v:{self.version}"]
        parts += [f"{key}:{value}" for key, value in sorted(self.settings.items())]
        parts += [f"{library}:{version(library)}" for library in self.libraries]
        parts += [f"{library}:{followed}" for library, followed in self.follows.items()]
        return "|".join(parts)
