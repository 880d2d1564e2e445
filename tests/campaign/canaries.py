"""26 kinds of private text through every command that prints or writes: none stands outside of ``private/`` and the data.

And the same texts pasted into every place of a result that holds text: found or withheld by ``submit``, ``build`` and ``check``,
with and without the data.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ehrbench.errors import EhrbenchError, PolicyError
from ehrbench.leaderboard.build import build
from ehrbench.leaderboard.check import check_site
from ehrbench.results.store import read_result, write_result
from ehrbench.results.submission import pack
from ehrbench.results.words import words_of
from tests.acceptance.chart import run_folders
from tests.campaign.commands import run
from tests.campaign.rows import Row
from tests.results.places import PLACES
from tests.results.planted import PLANTED, TASK, write_data
from tests.support.published import contents, text_below

SHOWN = {kind: f" {' '.join(words_of(text))} " for kind, text in PLANTED.items()}


def canaries() -> Iterator[Row]:
    """Two rows: what commands say and write, and what is published of what was pasted."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as place:
        yield _commands(Path(place) / "commands")
        yield _pasted(Path(place) / "pasted")


def _run(root: Path, model: str, out: str) -> list[object]:
    return ["run", "--model", model, "--tasks", "ward_questions", "--include-path", "tasks", "--data-dir", "data", "--out", out]


def _made(root: Path) -> Path:
    root.mkdir()
    _write(root)
    (root / "tasks").mkdir()
    (root / "tasks/ward.yaml").write_text(TASK)
    return root


def _write(root: Path) -> None:
    """In a process of its own: writing Parquet starts threads, and copies of a process with threads may hang."""
    if not (child := os.fork()):
        try:
            write_data(root / "data")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (root / "data/ward/talk.csv.gz").is_file()


def _commands(root: Path) -> Row:
    row = Row("private texts through every command that prints or writes")
    _made(root)

    def folder(out: str) -> Path:
        return run_folders(root / out)[0].relative_to(root)

    (root / "raters.csv").write_text("name,specialty\nA,surgery\n")
    log = ["--verbose", "--log-file"]
    steps: tuple[tuple[int, Callable[[], list[object]]], ...] = (
        (0, lambda: [*_run(root, "baseline:newest", "one"), *log, "one.log"]),
        (0, lambda: [*_run(root, "baseline:bm25", "two"), *log, "two.log"]),
        (0, lambda: [*_run(root, "baseline:majority", "three"), "--json"]),
        (0, lambda: [*_run(root, "baseline:bm25", "dry"), "--dry-run"]),
        (0, lambda: ["score", folder("one"), "--metrics", "chrf_pp", "--json"]),
        (0, lambda: ["verify", folder("one")]),
        (0, lambda: ["compare", folder("one"), folder("two"), "--out", "compared", "--json"]),
        (0, lambda: ["submit", folder("one"), "--out", "one.results.json"]),
        (0, lambda: ["leaderboard", "build", "one", "two", "--out", "site", "--include-path", "tasks", "--json"]),
        (0, lambda: ["leaderboard", "check", "site", "--results", "one", "--results", "two"]),
        (0, lambda: ["results", "validate", folder("one") / "result.json"]),
        (0, lambda: ["rate", "plan", folder("one"), folder("two"), "--raters", "raters.csv", "--out", "study/private", "--json"]),
        (0, lambda: ["rate", "status", "study/private"]),
        (0, lambda: ["tasks", "show", "ward_questions", "--include-path", "tasks"]),
        (0, lambda: ["tasks", "validate", "tasks/ward.yaml", "--data-dir", "data"]),
        (3, lambda: ["data", "status", "--data-dir", "data", "--include-path", "tasks", "--read"]),
        (2, lambda: _broken(root)),
        (2, lambda: _unwritable(root)),
        (4, lambda: [*_run(root, "openai:away", "remote"), "--model-arg", "base_url=https://models.example/v1"]),
    )
    os.environ["EHRBENCH_DEBUG"] = "1"
    try:
        for code, step in steps:
            arguments = step()
            ended = run(root, *arguments)
            if ended.code != code:
                row.failed(f"exit code {ended.code}, not {code}", f"first: {arguments[0]}")
            said = f" {' '.join(words_of(ended.said + _written(root, logs=True)))} "
            published = f" {' '.join(words_of(_written(root, logs=False)))} "
            for kind, text in SHOWN.items():
                row.tried += 1
                # What is said on this machine names an item by its id, and nothing else of it.
                if text in published or (text in said and kind != "the id of an item"):
                    row.failed(f"{kind} is shown", f"first: {arguments[0]}")
    finally:
        del os.environ["EHRBENCH_DEBUG"]
    return row


def _broken(root: Path) -> list[object]:
    """A line of the data that cannot be read: what is said of it quotes nothing."""
    path = root / "data/ward/items.jsonl"
    group = json.dumps(PLANTED["the group of an item"])
    whole = path.read_text()
    assert group in whole
    path.write_text(whole.replace(group, f"[{group}]"))
    return _run(root, "baseline:bm25", "broken")


def _unwritable(root: Path) -> list[object]:
    shutil.rmtree(root / "data")
    _write(root)
    return [*_run(root, "baseline:bm25", "/proc/ehrbench")]


def _written(root: Path, *, logs: bool) -> str:
    """The logs, or everything else that lies outside of the data and of private folders; names of files, too."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        parts = path.relative_to(root).parts
        if parts[0] not in ("data", "tasks", "home") and "private" not in parts and (path.suffix == ".log") is logs:
            found += [" ".join(parts), *(content.decode("utf-8", "replace") for _, content in contents([path]))]
    return "\n".join(found)


def _pasted(root: Path) -> Row:
    row = Row("private texts pasted into a result: submit, build, check")
    _made(root)
    ended = run(root, *_run(root, "baseline:newest", "one"), "--quiet")
    assert ended.code == 0, ended.said
    finished, data, away = run_folders(root / "one")[0], root / "data", root / "away"
    clean = (finished / "result.json").read_bytes()
    for k, kind in enumerate(PLANTED):
        for n, place in enumerate(PLACES):
            (finished / "result.json").write_bytes(clean)
            result = read_result(finished / "result.json")
            place(result, PLANTED[kind])
            write_result(finished / "result.json", result)
            for present in (True, False):
                if not present:
                    data.rename(away)
                where = f"{place.__name__}, data {'present' if present else 'away'}"
                _published(row, kind, f"submit {where}", lambda out: pack([finished], out), root)
                if (k + n) % 4 == 2 * present:  # a site takes longest: every second place, with the data or without
                    _published(row, kind, f"build {where}", lambda out: build([finished], out), root)
                if not present:
                    away.rename(data)
    (finished / "result.json").write_bytes(clean)
    site = root / "site"
    build([finished], site)
    page = site / "index.html"
    whole = page.read_text()
    for kind, text in PLANTED.items():
        row.tried += 1
        page.write_text(whole.replace("<h1>", f"<h1>{text.replace('level=', '')} ", 1))
        if not [found for found in check_site(site, [finished]) if found.place.startswith("index.html")]:
            row.failed("not found by check", f"first: {kind}")
    return row


def _published(row: Row, kind: str, where: str, publish: Callable[[Path], object], root: Path) -> None:
    out = root / "published"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    row.tried += 1
    try:
        publish(out)
    except PolicyError as error:
        if PLANTED[kind].lower() in str(error).lower():
            row.failed("a refusal that quotes it", f"first: {kind}, {where}")
    except EhrbenchError as error:
        if "strata have a value" not in str(error):
            row.failed("another refusal", f"first: {kind}, {where}")
    if SHOWN[kind] in f" {' '.join(words_of(text_below(out)))} ":
        row.failed("published", f"first: {kind}, {where}")
