"""MedAlign's release as ratings and answers; its tables alone are read."""

from __future__ import annotations

import math
from pathlib import Path

from ehrbench.correlation.ratings import build
from ehrbench.correlation.release import Gold, Release
from ehrbench.errors import UsageError
from ehrbench.metrics.metric import Scorable
from ehrbench.suites.medalign.ratings import answers_of
from ehrbench.suites.medalign.ratings import read_ratings as read_reviews
from ehrbench.suites.medalign.reader import read_instructions


def read_release(root: Path, gold: Gold = "first") -> Release:
    """Read the ratings, the six systems' answers and the gold answers of a release.

    Args:
        root: the release's folder, or one above it.
        gold: ``first``: the first annotator's answer, as the paper's scripts have it; ``max``: the best match counts.

    Raises:
        MissingError: a table is not there.
        UsageError: a table is malformed.
    """
    reviews = read_reviews(root)
    rows: dict[tuple[str, str, str], tuple[float, float, bool, float]] = {}
    groups: dict[str, str] = {}
    for rating in reviews.rows:
        rank = math.nan if rating.rank is None else rating.rank
        correct = math.nan if rating.correct is None else float(rating.correct)
        rows[rating.item, rating.rater, rating.system] = (rank, correct, rating.used_eval, float(len(rating.answer.split())))
        if rating.group and groups.setdefault(rating.item, rating.group) != rating.group:
            raise UsageError(f"{reviews.path}: instruction {rating.item} is about two patients")
    instructions, warnings = read_instructions(root)
    golds = {item.id: item for item in instructions}
    for item in golds.values():
        if item.group:
            groups.setdefault(item.id, item.group)
    rankings = build(reviews.path.name, rows, groups, with_used=True, with_lengths=True)
    scorables = []
    for system in rankings.systems:
        for item_id, answer in sorted(answers_of(reviews, system).items()):
            if (one := golds.get(item_id)) is not None:
                references = one.references[:1] if gold == "first" else one.references
                scorables.append((system, Scorable(item_id, answer, references, question=one.question, meta=one.meta)))
    notes = [*reviews.warnings, *warnings]
    if without := len(set(rankings.items) - set(golds)):
        notes.append(f"{reviews.path.name}: {without} rated instructions have no gold answer, so no metric can score them")
    return Release(rankings, scorables, tuple(notes), root, "medalign")
