"""Who reads what: items drawn, readers found, loads balanced, all from one seed."""

from __future__ import annotations

import math
import os
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.readers.data_dir import full_place
from ehrbench.readers.item import Item
from ehrbench.readers.table import Columns, read_table
from ehrbench.runs.folder import RunFolder
from ehrbench.workbench.rate.answers import answers_hash, answers_of, load_runs, model_name
from ehrbench.workbench.rate.power import Design, statement
from ehrbench.workbench.rate.study import MAX_SYSTEMS, Mode, Rater, Study, System

_COLUMNS = {"name": ("name", "rater"), "specialty": ("specialty", "speciality", "submitter_specialty")}


class Wish(NamedTuple):
    """What the user asks of a plan."""

    mode: Mode = "rank"
    items: int | None = None
    """How many are drawn; None: all."""
    stratify: str | None = None
    """A key of the items' ``meta`` whose values are drawn in proportion."""
    per_item: int = 1
    """Readers of each item."""
    overlap: int = 0
    """Items that are read by ``readers`` instead."""
    readers: int = 3
    seed: int = 0
    show_gold: bool = False
    title: str = ""


class Planned(NamedTuple):
    """A plan with what is to be said about it."""

    study: Study
    notes: tuple[str, ...]


def read_raters(path: Path) -> tuple[Rater, ...]:
    """Read a table ``name, specialty``.

    Raises:
        UsageError: a name is empty, odd or there twice; the message names the rows.
        MissingError: there is no such file.
    """
    table = read_table(path, "the table of raters")
    columns = Columns(table, _COLUMNS)
    columns.require(_COLUMNS, "name")
    rows: dict[str, int] = {}
    raters = []
    for row in table.rows:
        name = columns.get(row, "name").strip()
        if name in rows:
            raise UsageError(
                f"{table.place(row)}: rater '{name}' is there a second time (first in row {rows[name]}); keep one row"
            )
        rows[name] = row.number
        try:
            raters.append(Rater(name=name, specialty=columns.get(row, "specialty").strip() if "specialty" in columns else ""))
        except ValueError:
            raise UsageError(
                f"{table.place(row)}: a rater's name is empty or not usable; expected 1 to 60 letters, digits, blanks, dots"
            ) from None
    if not raters:
        raise UsageError(f"{path}: no rater is in it; expected one row per rater with the columns name and specialty")
    return tuple(raters)


def plan_study(folders: Sequence[RunFolder], raters: Sequence[Rater], wish: Wish, out: Path, data_dir: str | None) -> Planned:
    """Plan a study of some runs.

    Args:
        folders: one run per system.
        raters: who will judge.
        wish: what is asked.
        out: where the study will lie: the runs' places are written relative to it.
        data_dir: where the data are; None: where they were when the runs were made.

    Raises:
        UsageError: the runs do not belong together, or the wish cannot be met.
        MissingError: the data are not there.
    """
    if not 2 <= len(folders) <= MAX_SYSTEMS:
        raise UsageError(f"a study compares 2 to {MAX_SYSTEMS} runs; {len(folders)} were given")
    runs = load_runs(folders, data_dir)
    items = draw_items(runs[0].items, wish)
    assigned, notes = assign(items, raters, wish)
    ids = list(assigned)
    systems, answers = [], {}
    for run in sorted(runs, key=model_name):
        answers[model_name(run)] = answers_of(run, ids)
        place = os.path.relpath(run.folder.path.resolve(), out.resolve())
        hashed = answers_hash(answers[model_name(run)])
        name, config = model_name(run), run.manifest["config_hash"]
        systems.append(System(name=name, folder=place, config_hash=config, answers_hash=hashed))
    for name, found in answers.items():
        if n := sum(answer is None for answer in found.values()):
            notes.append(f"'{name}' gave no answer to {n} of {len(ids)} items; raters are told so in the answer's place")
    manifest, task = runs[0].manifest, runs[0].task
    design = Design(len(ids), len(systems), patients=len({item.group or item.id for item in items}))
    study = Study(
        title=wish.title or task.title or task.task,
        mode=wish.mode,
        task=task.task,
        data_dir=full_place(runs[0].data_dir),
        data_hash=manifest["config"]["data_hash"],
        policy=task.data.policy,
        synthetic=bool(manifest.get("synthetic")),
        seed=wish.seed,
        show_gold=wish.show_gold,
        systems=tuple(systems),
        raters=tuple(raters),
        power=tuple(statement(design, wish.mode, wish.seed)),
        assignments={item: tuple(readers) for item, readers in assigned.items()},
    )
    return Planned(study, tuple(notes))


def draw_items(items: Sequence[Item], wish: Wish) -> list[Item]:
    """The items of the study, in an order of the seed's.

    Raises:
        UsageError: more are asked for than there are, or no item has the stratum.
    """
    rng = random.Random(hash_data([wish.seed, "items"]))
    shuffled = list(items)
    rng.shuffle(shuffled)
    n = len(shuffled) if wish.items is None else wish.items
    if not 0 < n <= len(shuffled):
        raise UsageError(f"--items is {n}, and the runs have {len(shuffled)} items; ask for 1 to {len(shuffled)}")
    if wish.stratify is None:
        return shuffled[:n]
    strata: dict[str, list[Item]] = defaultdict(list)
    for item in shuffled:
        strata[str(item.meta.get(wish.stratify))].append(item)
    if set(strata) == {"None"}:
        raise UsageError(f"--stratify {wish.stratify}: no item has such a value; name a key of the items' meta, as category")
    # Largest remainders: each stratum has its share, rounded so that the sum is right.
    shares = {name: n * len(members) / len(shuffled) for name, members in strata.items()}
    counts = {name: math.floor(share) for name, share in shares.items()}
    for name in sorted(shares, key=lambda s: (counts[s] - shares[s], s))[: n - sum(counts.values())]:
        counts[name] += 1
    drawn = [item for name in sorted(strata) for item in strata[name][: counts[name]]]
    rng.shuffle(drawn)
    return drawn


def assign(items: Sequence[Item], raters: Sequence[Rater], wish: Wish) -> tuple[dict[str, list[str]], list[str]]:
    """Readers for each item: never an author, the same specialty first, nobody much more than others.

    Returns:
        (item to its readers, first the one whose judgement counts; what could not be had).

    Raises:
        UsageError: an item has fewer possible readers than it needs.
    """
    if not 0 <= wish.overlap <= len(items):
        raise UsageError(f"--overlap is {wish.overlap}, and the study has {len(items)} items")
    needed = {item.id: wish.readers if k < wish.overlap else wish.per_item for k, item in enumerate(items)}
    possible = {item.id: [r for r in raters if r.name not in authors(item.meta)] for item in items}
    for item in items:
        if len(possible[item.id]) < needed[item.id]:
            raise UsageError(
                f"item {item.id} needs {needed[item.id]} readers and {len(possible[item.id])} may read it; add raters or ask for "
                "fewer readers (--per-item, --readers)"
            )
    rng = random.Random(hash_data([wish.seed, "readers"]))
    chance = {(item.id, rater.name): rng.random() for item in items for rater in raters}
    cap = math.ceil(sum(needed.values()) / len(raters))
    loads: Counter[str] = Counter()
    chosen: dict[str, list[str]] = {}
    specialties = {rater.specialty.casefold() for rater in raters if rater.specialty}

    def urgency(item: Item) -> tuple[int, bool, float]:
        """Those with the least choice first, then those that somebody of their specialty could read."""
        of_none = str(item.meta.get("specialty") or "").casefold() not in specialties
        return len(possible[item.id]) - needed[item.id], of_none, chance[item.id, raters[0].name]

    for item in sorted(items, key=urgency):
        specialty = str(item.meta.get("specialty") or "").casefold()

        def order(rater: Rater, item: Item = item, specialty: str = specialty) -> tuple[bool, bool, int, float]:
            other = not specialty or rater.specialty.casefold() != specialty
            return loads[rater.name] >= cap, other, loads[rater.name], chance[item.id, rater.name]

        readers = [rater.name for rater in sorted(possible[item.id], key=order)[: needed[item.id]]]
        loads.update(readers)
        chosen[item.id] = readers
    of = {rater.name: rater.specialty.casefold() for rater in raters}
    wanted = [item for item in items if item.meta.get("specialty")]
    own = sum(of[name] == str(item.meta["specialty"]).casefold() for item in wanted for name in chosen[item.id])
    n = sum(len(chosen[item.id]) for item in wanted)
    notes = [f"{own} of {n} readings are by the instruction's own specialty"] if wanted and any(of.values()) else []
    if not any(authors(item.meta) for item in items):
        notes.append("the data do not say who wrote an instruction or its gold answer, so nobody could be kept from their own")
    return {item.id: chosen[item.id] for item in items}, notes


def authors(meta: Mapping[str, object]) -> set[str]:
    """Who wrote the instruction or its gold answer, as the items' ``meta["authors"]`` says."""
    named = meta.get("authors") or ()
    return {named} if isinstance(named, str) else {str(name) for name in named} if isinstance(named, (list, tuple)) else set()
