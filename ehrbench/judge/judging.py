"""Judging as a run: each pair of answers is an item and the judge its model.

So resume, cache, policy gate and progress are the engine's, and no verdict is bought twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.judge.prompt import MAX_TOKENS, ORDERS, REMINDER, SYSTEM, Order, question_for
from ehrbench.judge.verdict import SCHEMA, Verdict, read_verdict
from ehrbench.models.arguments import Arguments
from ehrbench.models.capabilities import Describes
from ehrbench.models.protocol import Model
from ehrbench.readers.dataset import Dataset
from ehrbench.readers.item import Item
from ehrbench.results.schema import SCORED_OUTCOMES
from ehrbench.runs.events import Listener, ignore
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.policy import check_policy
from ehrbench.runs.prepared import Prepared
from ehrbench.scoring.loaded import LoadedRun
from ehrbench.tasks.schema import DataSpec, GenerationSpec, PromptSpec, Protocol, TaskSpec

RETRIES = 2
"""Further tries for a verdict that could not be read (``clean`` only)."""


class Pair(NamedTuple):
    """One item with both answers."""

    item: Item
    candidate: str
    reference: str


class Judged(NamedTuple):
    """One item's verdicts."""

    pair: Pair
    verdicts: Mapping[Order, Verdict]
    """Those that could be read."""


@dataclass(frozen=True)
class Judgement:
    """Everything one judge said about one candidate."""

    judged: Sequence[Judged]
    orders: tuple[Order, ...]
    dropped: int
    """Items that cannot be judged, because one of the two has no answer."""
    unreadable: int
    """Verdicts that could not be read, after the retries."""
    failed_calls: int
    """Verdicts that never came."""
    config_hash: str
    ways: Mapping[str, int] = field(default_factory=dict)
    """How many verdicts were read in which way."""

    def complete(self) -> list[Judged]:
        """Items with a verdict in every order."""
        return [one for one in self.judged if len(one.verdicts) == len(self.orders)]


def pair_up(candidate: LoadedRun, reference: LoadedRun) -> tuple[list[Pair], int]:
    """The items that both answered, and how many one of them did not.

    Raises:
        UsageError: the two are not runs of one task on one release.
    """
    for name in ("task", "data_hash"):
        ours, theirs = candidate.manifest["config"][name], reference.manifest["config"][name]
        if ours != theirs:
            raise UsageError(
                f"{candidate.folder.path} and the reference {reference.folder.path} differ in {name}; "
                "judge runs of one task and release"
            )
    pairs = []
    for item in candidate.items:
        mine, theirs = candidate.predictions.get(item.id), reference.predictions.get(item.id)
        answered = [p is not None and p.outcome in SCORED_OUTCOMES for p in (mine, theirs)]
        if all(answered) and mine is not None and theirs is not None and theirs.answer:
            pairs.append(Pair(item, mine.answer or "", theirs.answer))
    return pairs, len(candidate.items) - len(pairs)


def judge_run(
    candidate: LoadedRun,
    reference: LoadedRun,
    judge: Model,
    protocol: Protocol,
    out: Path,
    *,
    synthetic: bool = False,
    on_event: Listener = ignore,
) -> Judgement:
    """Have a judge compare every pair of answers.

    ``paper``: one order (the reference first), one try, the paper's reading of the verdict. ``clean``: both orders, unreadable
    verdicts asked again with a reminder.

    Args:
        candidate: the run that is judged.
        reference: the run that is the measure, the same task's.
        judge: who judges.
        protocol: as above.
        out: where the judge's run goes.
        synthetic: the data are the bundled sample.
        on_event: told what happens.

    Raises:
        UsageError: the runs do not belong together.
        PolicyError: the judge is remote, the task credentialed and no approval recorded.
    """
    pairs, dropped = pair_up(candidate, reference)
    orders: tuple[Order, ...] = ORDERS[:1] if protocol == "paper" else ORDERS
    task = judge_task(candidate.task)
    approval = check_policy(task, judge, synthetic)
    if isinstance(judge, Describes):
        judge.describe()
    options = RunOptions(protocol=protocol, out=out, data_dir=candidate.data_dir, model=judge.identity.name)
    source = hash_data(
        [
            candidate.manifest["config_hash"],
            reference.manifest["config_hash"],
            [[p.item.id, p.candidate, p.reference] for p in pairs],
        ]
    )
    verdicts: dict[tuple[str, Order], Verdict] = {}
    missing = [(pair, order) for pair in pairs for order in orders]
    failed, first_hash = 0, ""
    about = {"judged": _judged(candidate, reference, protocol)}
    for attempt in range(1 if protocol == "paper" else 1 + RETRIES):
        if not missing:
            break
        variant = "default" if attempt == 0 else f"reminder-{attempt}"
        items = [_item(pair, order, REMINDER if attempt else "") for pair, order in missing]
        dataset = Dataset(root=Path(), items=items, files=(), derived_from=source)
        chosen = replace(options, prompt=variant, seed=attempt)
        run = Prepared(task, dataset, items, judge, None, chosen, approval, synthetic)
        folder, predictions = generate(run, command="ehrbench judge", on_event=on_event, about=about)
        first_hash = first_hash or folder.path.name
        by_id = {p.item: p for p in predictions}
        still = []
        for pair, order in missing:
            prediction = by_id[f"{pair.item.id}/{order}"]
            verdict = read_verdict(prediction.answer or "", order, strict=protocol == "paper")
            if verdict is not None:
                verdicts[pair.item.id, order] = verdict
            else:
                still.append((pair, order))
        missing = still
        failed = sum(by_id[f"{pair.item.id}/{order}"].outcome not in SCORED_OUTCOMES for pair, order in missing)
    judged = [Judged(p, {o: verdicts[p.item.id, o] for o in orders if (p.item.id, o) in verdicts}) for p in pairs]
    ways: dict[str, int] = dict(sorted(Counter(verdict.way for verdict in verdicts.values()).items()))
    return Judgement(judged, orders, dropped, len(missing) - failed, failed, first_hash, ways)


def with_structured_output(spec: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments of a judge that is asked for JSON of a fixed form; a text that is none is read as any other.

    Raises:
        UsageError: the judge is not on a server.
    """
    if spec.partition(":")[0] not in ("openai", "azure"):
        raise UsageError(f"--structured: '{spec}' is not on a server (openai:NAME, azure:DEPLOYMENT); leave it out")
    extra = Arguments("the judge", arguments, dict.fromkeys(arguments, "")).json_object("extra_body")
    form: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}
    if arguments.get("api") == "responses":
        form = {"text": {"format": {"type": "json_schema", **SCHEMA}}}
    return {**arguments, "extra_body": json.dumps({**form, **extra})}


def _judged(candidate: LoadedRun, reference: LoadedRun, protocol: Protocol) -> dict[str, Any]:
    """What the judge's manifest says of whom it judged, so that its verdicts can be found from a run and read again."""
    named = {"candidate": candidate.manifest, "reference": reference.manifest}
    runs = {role: {"model": m["config"]["model"]["name"], "config_hash": m["config_hash"]} for role, m in named.items()}
    return {**runs, "protocol": protocol}


def _item(pair: Pair, order: Order, reminder: str) -> Item:
    gold = pair.item.references[0] if pair.item.references else ", ".join(pair.item.labels)
    question = question_for(pair.item.question, gold, pair.reference, pair.candidate, order)
    return Item(id=f"{pair.item.id}/{order}", question=question + reminder, group=pair.item.group)


def judge_task(task: TaskSpec) -> TaskSpec:
    """The task that a judge is given: the judged one's data policy, the judge's prompt, its verdict as a text."""
    settings: dict[str, Any] = {
        "task": f"judge.{task.task}",
        "version": 1,
        "title": f"Verdicts on {task.title or task.task}",
        "data": DataSpec(reader=task.data.reader, path=task.data.path, policy=task.data.policy),
        "prompt": PromptSpec(system=SYSTEM, user="{{ question }}", note="MIMIC-Instr, Prompt 3"),
        "generation": GenerationSpec(max_tokens=MAX_TOKENS),
        "answer": ("strip_thinking",),
        "metrics": ("exact_match",),
        "primary": "exact_match",
    }
    return TaskSpec(**settings)
