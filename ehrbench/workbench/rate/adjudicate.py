"""Adjudication: items on which raters differ, still blinded, and a consensus kept beside what they said, never over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ehrbench.errors import UsageError
from ehrbench.workbench.access import OneDoor
from ehrbench.workbench.rate.answers import Material
from ehrbench.workbench.rate.app import RatePages
from ehrbench.workbench.rate.export import Judgement, judgements_of
from ehrbench.workbench.rate.rules import TIE, WHOLE, pair_key, ranks
from ehrbench.workbench.rate.serve import Opened
from ehrbench.workbench.rate.store import State, Store, Work
from ehrbench.workbench.rate.study import CONSENSUS, Study
from ehrbench.workbench.serving import local_place, run_server


def disputed(study: Study, work: Mapping[tuple[str, str], Work]) -> list[str]:
    """The items that several raters finished and judged differently, in the plan's order."""
    found = []
    for item, readers in study.assignments.items():
        states = [one.state for reader in readers if (one := work.get((reader, item))) is not None and one.done]
        if len({_judged(study, state) for state in states}) > 1:
            found.append(item)
    return found


def _judged(study: Study, state: State) -> tuple[object, ...]:
    """What counts as the judgement: verdicts, the order, levels; not reasons, tags or comments."""
    systems = [system.name for system in study.systems]
    places = () if study.mode == "likert" else tuple(sorted(ranks(study, state, systems).items()))
    given = {f: v for f, v in state.items() if f in ("correct", "whole", "prefer") or f.startswith("scale:")}
    return places, tuple((f, tuple(sorted(values.items()))) for f, values in sorted(given.items()))


def consensus_of(study: Study, material: Material, work: Mapping[tuple[str, str], Work]) -> list[Judgement]:
    """The finished consensus judgements."""
    items = [item for item in sorted(study.assignments) if (one := work.get((CONSENSUS, item))) and one.done]
    return [j for item in items for j in judgements_of(study, material, CONSENSUS, item, work[CONSENSUS, item], used=True)]


class AdjudicatePages(RatePages):
    """The raters' pages for one adjudicator, with what the raters said beside each answer."""

    label = "ehrbench rate adjudicate"

    def __init__(self, study: Study, material: Material, store: Store) -> None:
        """Take the items on which raters differ now."""
        super().__init__(study, material, store)
        self._mine = {CONSENSUS: disputed(study, store.all_work())}

    def said(self, item: str, letters: Mapping[str, str]) -> dict[str, list[str]]:
        """Letter (or pair of letters, or "" for the item) to what each rater said; raters are numbered, not named."""
        out: dict[str, list[str]] = {}
        letter_of = {system: letter for letter, system in letters.items()}
        for k, reader in enumerate(self.study.assignments[item], 1):
            one = self.store.work(reader, item)
            if not one.done:
                continue
            who = f"Rater {k}"
            if given := one.state.get("whole", {}).get(""):
                out.setdefault("", []).append(f"{who}: {WHOLE[given]}")
                continue
            if note := one.state.get("note", {}).get(""):
                out.setdefault("", []).append(f"{who}: {note}")
            if self.study.mode == "pairs":
                prefer = one.state.get("prefer", {})
                for a in letters:
                    for b in letters:
                        if a < b and (chosen := prefer.get(pair_key(letters[a], letters[b]))) is not None:
                            text = "equally good" if chosen == TIE else f"answer {letter_of[chosen]}"
                            out.setdefault(a + b, []).append(f"{who}: {text}")
                continue
            for letter, system in letters.items():
                out.setdefault(letter, []).append(f"{who}: {self._sentence(one.state, system)}")
        return out

    def _sentence(self, state: State, system: str) -> str:
        parts = []
        verdict = state.get("correct", {}).get(system)
        if verdict is not None:
            parts.append("correct" if verdict else "not correct")
        parts += [_clause(self.study.criteria[reason]) for reason in state.get("reasons", {}).get(system, [])]
        if (rank := state.get("rank", {}).get(system)) is not None:
            parts.append(f"rank {rank}")
        for question in self.study.scale.questions:
            if (level := state.get(f"scale:{question.id}", {}).get(system)) is not None:
                parts.append(f"“{question.text}” {level}")
        parts += [self.study.tags[tag].partition(":")[0].lower() for tag in state.get("tags", {}).get(system, [])]
        if comment := state.get("comment", {}).get(system):
            parts.append(f"“{comment}”")
        return "; ".join(parts) or "nothing"


def serve_adjudication(opened: Opened, port: int, idle_minutes: float, ready: Callable[[str, int], object]) -> bool:
    """Let one person adjudicate until interrupted or idle; on this machine only.

    Args:
        opened: the study, held alone.
        port: 0 takes a free one.
        idle_minutes: close after so many minutes without a request; 0: never.
        ready: told the link, and how many items are disputed.

    Returns:
        Whether it closed because nobody asked for anything.

    Raises:
        UsageError: raters differ on no item.
    """
    pages = AdjudicatePages(opened.study, opened.material, opened.store)
    n = len(disputed(opened.study, opened.store.all_work()))
    if not n:
        raise UsageError("there is nothing to adjudicate: no item was finished by several raters who judged it differently")
    doors = OneDoor(CONSENSUS)
    app, gate = pages.app(doors)
    place = local_place(port)

    def told(address: str) -> None:
        ready(f"{address}/enter/{doors.token}", n)

    return run_server(app, gate, place, idle_minutes=idle_minutes, ready=told)


def _clause(sentence: str) -> str:
    """A sentence as a part of another."""
    return sentence[:1].lower() + sentence[1:].rstrip(".")
