"""What was judged, as the tables that human-stats, correlate and agreement read: the same bytes from the same ratings."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.correlation.ratings import Rankings, build
from ehrbench.errors import UsageError
from ehrbench.registry import Registry
from ehrbench.tables import to_csv
from ehrbench.workbench.pages import count
from ehrbench.workbench.rate.answers import Material
from ehrbench.workbench.rate.rules import WHOLE, ranks
from ehrbench.workbench.rate.store import Store, Work
from ehrbench.workbench.rate.study import CONSENSUS, Study

HEADER = ("item", "rater", "system", "rank", "correct", "cluster", "used", "length", "reasons", "tags", "seconds")


class Judgement(NamedTuple):
    """What one person said of one answer."""

    item: str
    rater: str
    system: str
    rank: float | None
    correct: bool | None
    used: bool
    """Whether it is the one that counts where one has to."""
    answer: str | None
    group: str | None
    """The patient."""
    reasons: Sequence[str]
    tags: Sequence[str]
    seconds: float
    """That the item was on the rater's screen."""
    scale: Mapping[str, int]
    """Question to level, in ``likert`` mode."""


class Collected(NamedTuple):
    """All finished judgements, with what is not among them."""

    judgements: Sequence[Judgement]
    notes: tuple[str, ...]


LayoutWriter = Callable[[Path, Path, Sequence[Judgement]], list[Path]]
"""Writes judgements in a release's own layout: (the release's folder, where to write, what)."""
LAYOUTS: Registry[LayoutWriter] = Registry("rating layout")
"""By the name of the release's reader; suites list theirs."""


def collect(study: Study, material: Material, work: Mapping[tuple[str, str], Work]) -> Collected:
    """Every finished judgement, by item, rater and system.

    The first reader of an item, in the plan's order, who finished it has the judgement that counts.
    """
    found: list[Judgement] = []
    whole: Counter[str] = Counter()
    open_ = strays = 0
    for item, readers in sorted(study.assignments.items()):
        finished = [r for r in readers if (w := work.get((r, item))) and w.done and "whole" not in w.state]
        for rater in sorted(readers):
            one = work.get((rater, item))
            if one is None or not one.done:
                open_ += one is None or not one.done
                continue
            if given := one.state.get("whole", {}).get(""):
                whole[given] += 1
                continue
            found += judgements_of(study, material, rater, item, one, used=finished[0] == rater)
    assigned = {(rater, item) for item, readers in study.assignments.items() for rater in readers}
    strays = sum(key not in assigned and key[0] != CONSENSUS for key in work)
    notes = [f"“{WHOLE[kind]}”, without a judgement of the answers: {count(n, 'reading')}" for kind, n in sorted(whole.items())]
    notes += [f"not finished and left out: {count(open_, 'reading')}"] if open_ else []
    notes += [f"not in the plan any more and left out, though kept in the database: {count(strays, 'reading')}"] if strays else []
    return Collected(found, tuple(notes))


def judgements_of(study: Study, material: Material, rater: str, item: str, work: Work, *, used: bool) -> list[Judgement]:
    """One reading as judgements, one per system."""
    systems = [system.name for system in study.systems]
    places = ranks(study, work.state, systems)

    def of(field: str, system: str) -> Any:
        return work.state.get(field, {}).get(system)

    return [
        Judgement(
            item=item,
            rater=rater,
            system=system,
            rank=places.get(system),
            correct=of("correct", system),
            used=used,
            answer=material.answers[system][item],
            group=material.items[item].group,
            reasons=of("reasons", system) or [],
            tags=of("tags", system) or [],
            seconds=work.seconds,
            scale={q.id: level for q in study.scale.questions if (level := of(f"scale:{q.id}", system)) is not None},
        )
        for system in systems
    ]


def ratings_csv(study: Study, judgements: Sequence[Judgement]) -> str:
    """The table of ratings: ids, names and numbers, no text of a record or an answer; patients as numbers of this table."""
    groups = {group: f"p{n}" for n, group in enumerate(sorted({j.group for j in judgements if j.group}), 1)}
    questions = [q.id for q in study.scale.questions] if study.mode == "likert" else []
    rows = [
        (
            j.item,
            j.rater,
            j.system,
            "" if j.rank is None else f"{j.rank:g}",
            "" if j.correct is None else "yes" if j.correct else "no",
            groups.get(j.group or "", ""),
            "yes" if j.used else "no",
            "" if j.answer is None else len(j.answer.split()),
            " ".join(j.reasons),
            " ".join(j.tags),
            f"{j.seconds:.1f}",
            *(j.scale.get(q, "") for q in questions),
        )
        for j in judgements
    ]
    return to_csv((*HEADER, *questions), rows)


def rankings_of(study: Study, judgements: Sequence[Judgement]) -> Rankings:
    """The judgements as the statistics take them, without a file between.

    Raises:
        UsageError: there is none.
    """
    nan = float("nan")
    rows = {
        (j.item, j.rater, j.system): (
            nan if j.rank is None else j.rank,
            nan if j.correct is None else float(j.correct),
            j.used,
            nan if j.answer is None else float(len(j.answer.split())),
        )
        for j in judgements
    }
    groups = {j.item: j.group for j in judgements if j.group}
    return build(study.title, rows, groups, with_used=True, with_lengths=True)


def layout_writer(reader: str) -> LayoutWriter:
    """What writes ratings in the layout of a reader's release.

    Raises:
        UsageError: that release has no table of ratings.
    """
    if reader not in LAYOUTS:
        raise UsageError(f"the release that reader '{reader}' reads has no table of ratings; leave --release out")
    return LAYOUTS.get(reader)


def details(study: Study, store: Store) -> list[dict[str, Any]]:
    """Everything that was said, comments and the history of each reading among it: as private as the records."""
    rows = []
    for (rater, item), one in store.all_work().items():
        history = [{"at": at, "field": f, "subject": s, "value": v} for at, f, s, v in store.history(rater, item)]
        now = {"done": one.done, "seconds": one.seconds, "state": one.state}
        rows.append({"item": item, "rater": rater, **now, "history": history})
    return rows


def write_private(path: Path, text: str) -> Path:
    """Write a file that its owner alone can read.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another file") from None
    return path


def as_lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as lines of JSON."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
