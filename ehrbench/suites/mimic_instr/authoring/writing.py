"""Writing as a run: each pair to reword, or each hospital course, is an item, and the writer its model.

So resume, cache, policy gate and progress are the engine's: killed and started again, nothing is bought twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_rows
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
from ehrbench.suites.mimic_instr.authoring.pairs import MAX_TOKENS, PARAPHRASE, REASONING, Pair, hospital_course, read_pair
from ehrbench.suites.mimic_instr.reader import EventLists, jsonl_rows
from ehrbench.tasks.schema import DataSpec, GenerationSpec, PromptSpec, TaskSpec

ROUNDS = 3
"""Tries for an item whose pair could not be read or whose call failed (the release's number)."""
SPLITS = ("test_subset", "test", "val", "train", "all")


class Written(NamedTuple):
    """What became of the items."""

    path: Path
    n_written: int
    n_unreadable: int
    """Items of which no question and answer could be read; they are left out."""
    n_failed: int
    """Items whose calls failed; the same command tries them again."""
    n_masked: int
    """Pairs with a mask (``___``) in them, which are kept, as in the release."""


def paraphrase(
    root: Path, split: str, model: Model, out: Path, *, synthetic: bool = False, on_event: Listener = ignore
) -> Written:
    """Reword the prepared questions of a split into ``paraphrased/qa_<split>.jsonl``.

    Typed golds are kept: they say what is true, whatever the wording.

    Args:
        root: the prepared folder.
        split: ``test_subset``, ``test``, ``val``, ``train`` or ``all``.
        model: who rewords.
        out: where the writer's run goes.
        synthetic: the data are the bundled sample.
        on_event: told what happens.

    Raises:
        MissingError: the folder is not prepared.
        PolicyError: the model is remote, the data credentialed and no approval recorded.
    """
    if split not in SPLITS:
        raise UsageError(unknown_name("split", split, SPLITS))
    source = root / ("qa_test_subset.jsonl" if split == "test_subset" else "qa_event.jsonl")
    manifest = root / "manifest.json"
    if not source.is_file() or not manifest.is_file():
        raise MissingError(f"{root} has no {source.name} or no manifest.json; build it with `ehrbench data prepare mimic_instr`")
    rows = {row["id"]: row for _, row in jsonl_rows(source) if split in ("test_subset", "all", row.get("split"))}
    open_data = bool(json.loads(manifest.read_text(encoding="utf-8")).get("open_data"))
    items = [Item(id=i, question=f"Question: {r['q']}\nAnswer: {r['a']}", group=str(r["subject_id"])) for i, r in rows.items()]
    pairs, failed = _write(items, "paraphrase", PARAPHRASE, model, out, on_event, open_data=open_data, synthetic=synthetic)
    path = root / "paraphrased" / f"qa_{split}.jsonl"
    written = [
        {
            **rows[i],
            "q": pair.question,
            "a": pair.answer,
            "q_template": rows[i]["q"],
            "a_template": rows[i]["a"],
            "alternatives": [],
        }
        for i, pair in pairs.items()
    ]
    return _store(path, written, len(items), failed)


def write_reasoning(
    root: Path, notes: Mapping[int, str], model: Model, out: Path, *, synthetic: bool = False, on_event: Listener = ignore
) -> Written:
    """Have a question written about each admission from its discharge summary, into ``qa_note.jsonl``.

    Admissions without a hospital course of more than 40 words, and those whose course repeats another's, are left out.

    Args:
        root: the prepared folder, whose admissions are asked about.
        notes: admission to the text of its discharge summary.
        model: who writes.
        out: where the writer's run goes.
        synthetic: the data are invented.
        on_event: told what happens.

    Raises:
        MissingError: the folder is not prepared, or no summary has a hospital course.
        PolicyError: the model is remote and no approval is recorded; summaries are always credentialed.
    """
    lists = EventLists(root / "records")
    courses = {hadm: course for hadm in sorted(lists.where) if hadm in notes and (course := hospital_course(notes[hadm]))}
    first = {course: hadm for hadm, course in reversed(courses.items())}
    items = [Item(id=str(h), question=c, group=str(lists.subject[h])) for h, c in courses.items() if first[c] == h]
    if not items:
        raise MissingError(
            f"no admission of {root} has a discharge summary with a hospital course; name MIMIC-IV-Note with --notes"
        )
    pairs, failed = _write(items, "reasoning", REASONING, model, out, on_event, open_data=False, synthetic=synthetic)
    rows = [{"hadm_id": int(i), "q": pair.question, "a": pair.answer} for i, pair in pairs.items()]
    return _store(root / "qa_note.jsonl", rows, len(items), failed)


def _store(path: Path, rows: Sequence[Mapping[str, Any]], n_items: int, failed: int) -> Written:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_rows(path, rows)
    masked = sum("___" in row["q"] + row["a"] for row in rows)
    return Written(path, len(rows), n_items - len(rows) - failed, failed, masked)


def _write(
    items: Sequence[Item],
    kind: str,
    system: str,
    model: Model,
    out: Path,
    on_event: Listener,
    *,
    open_data: bool,
    synthetic: bool,
) -> tuple[dict[str, Pair], int]:
    """The pairs that could be read by item, in the order of the items; and how many items have no answer."""
    task = _task(kind, system)
    approval = check_policy(task, model, synthetic or open_data)
    if isinstance(model, Describes):
        model.describe()
    found: dict[str, Pair] = {}
    missing, failed = list(items), 0
    for attempt in range(ROUNDS):
        if not missing:
            break
        source = hash_data([[item.id, item.question] for item in missing])
        dataset = Dataset(root=Path(), items=missing, files=(), derived_from=source, open_data=open_data)
        options = replace(RunOptions(out=out, model=model.identity.name), seed=attempt)
        run = Prepared(_warmer(task, attempt), dataset, missing, model, None, options, approval, synthetic)
        _, predictions = generate(run, command=f"ehrbench data author {kind}", on_event=on_event)
        for prediction in predictions:
            if pair := read_pair(prediction.answer or ""):
                found[prediction.item] = pair
        outcomes = {prediction.item: prediction.outcome for prediction in predictions}
        missing = [item for item in missing if item.id not in found]
        failed = sum(outcomes[item.id] not in SCORED_OUTCOMES for item in missing)
    return {item.id: found[item.id] for item in items if item.id in found}, failed


def _warmer(task: TaskSpec, attempt: int) -> TaskSpec:
    """The same task at a temperature, for a further try: a greedy model would write the same again."""
    if attempt == 0:
        return task
    return task.model_copy(update={"generation": task.generation.model_copy(update={"temperature": 0.7})})


def _task(kind: str, system: str) -> TaskSpec:
    settings: dict[str, Any] = {
        "task": f"mimic_instr.author_{kind}",
        "version": 1,
        "title": f"MIMIC-Instr, {kind} by a model",
        "group": ("mimic_instr",),
        "data": DataSpec(reader="mimic_instr", path="mimic_instr", policy="credentialed"),
        "prompt": PromptSpec(system=system, user="{{ question }}", note="MIMIC-Instr's prompt, in our own words"),
        "generation": GenerationSpec(max_tokens=MAX_TOKENS),
        "answer": ("strip_thinking", "strip"),
        "metrics": ("exact_match",),
        "primary": "exact_match",
    }
    return TaskSpec(**settings)
