"""A server that fails in every way that is known, at 10 % of calls: every item ends in a named outcome, and nothing is quoted."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tests.acceptance.chart import CANARIES, rows, run_folders, write_release
from tests.campaign.commands import run
from tests.campaign.rows import Row
from tests.support.server import Server

KINDS = (
    *("429:0.01", "500", "502", "503:0.01", "400", "404", "reset", "close", "truncated", "garbage", "null", "nochoices"),
    *("overflow", "filter", "filtered", "refusal", "loading"),
)
OUTCOMES = frozenset({"answered", "unparsed", "reasoning_truncated", "overflow", "api_error", "refused"})
RATE = 0.1


def faults() -> Row:
    """One run for each kind of fault, and one with all of them."""
    row = Row("items of a server that fails at 10 % of calls")
    for kind in KINDS:
        _served(kind, {kind: RATE}, row)
    _served("all kinds", dict.fromkeys(KINDS, RATE / len(KINDS)), row)
    return row


def _served(name: str, rates: dict[str, float], row: Row) -> None:
    with tempfile.TemporaryDirectory(prefix="campaign-") as place, Server(rates=rates) as server:
        root = Path(place)
        write_release(root / "data", patients=5, questions=4, entries=2)
        given = ("--tasks", "medalign", "--data-dir", "data", "--out", "out", "--metrics", "rouge_l", "--quiet")
        patience = ("first_wait=0.01", "max_retries=3", "stop_after=0", "concurrency=8")
        more = [part for one in (f"base_url={server.url}", *patience) for part in ("--model-arg", one)]
        ended = run(root, "run", "--model", "openai:stub", *given, "--budget-tokenizer", "words", "--allow-partial", *more)
        row.tried += 20
        found = run_folders(root / "out")
        predictions = rows(found[0] / "private/predictions.jsonl") if found else []
        lost = 20 - sum(one["outcome"] in OUTCOMES for one in predictions)
        for _ in range(lost):
            row.failed("no outcome", f"first: {name}")
        public = ended.said + "".join(path.read_text() for path in (root / "out").glob("*/*/*/*.json"))
        if any(canary in public for canary in CANARIES):
            row.failed("private text is quoted", f"first: {name}")
        if ended.code not in (0, 5):
            row.failed(f"exit code {ended.code}", f"first: {name}")
        elif found and sum(json.loads((found[0] / "result.json").read_text())["outcomes"].values()) != 20:
            row.failed("a result that counts other items", f"first: {name}")
