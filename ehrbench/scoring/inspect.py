"""Items of a run side by side with their gold and their scores, for the eyes of the data's holder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ehrbench.errors import UsageError, unknown_name
from ehrbench.jsonl import read_rows
from ehrbench.readers.data_dir import open_dataset
from ehrbench.results.schema import OUTCOMES
from ehrbench.scoring.loaded import LoadedRun


def view_items(
    run: LoadedRun, ids: Sequence[str] | None, outcome: str | None, limit: int, with_record: bool, data_dir: str | None
) -> list[dict[str, Any]]:
    """What there is about some items.

    Args:
        run: what ``load_run`` read.
        ids: which items; None: the first ones.
        outcome: only items that ended so.
        limit: most items.
        with_record: whether to load the records too.
        data_dir: where the records are; None: where they were when it ran.

    Raises:
        UsageError: an id or outcome that the run does not have.
    """
    if outcome is not None and outcome not in OUTCOMES:
        raise UsageError(unknown_name("outcome", outcome, OUTCOMES))
    known = {item.id: item for item in run.items}
    for asked in ids or ():
        if asked not in known:
            raise UsageError(unknown_name("item", asked, known))
    scores: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in read_rows(run.folder.scores):
        scores[row["item"]][row["metric"]] = row["score"]
    load_record = None
    if with_record:
        load_record = open_dataset(run.task, data_dir or run.data_dir).load_record
    views = []
    for item in [known[i] for i in ids] if ids else run.items:
        prediction = run.predictions.get(item.id)
        if prediction is None or (outcome is not None and prediction.outcome != outcome):
            continue
        view: dict[str, Any] = {
            "item": item.id,
            "question": item.question,
            "references": list(item.references or item.labels),
            "scores": scores.get(item.id, {}),
            **{key: value for key, value in prediction.row().items() if key != "item"},
        }
        if load_record and item.record_id is not None:
            view["record"] = load_record(item.record_id).text
        views.append(view)
        if len(views) == limit:
            break
    return views
