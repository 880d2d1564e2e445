"""26 kinds of private text through every command that prints or writes: none stands outside of ``private/`` and the data.

And the same texts pasted into every place of a result that holds text: found or withheld by ``submit``, ``build`` and ``check``,
with and without the data.
"""

from __future__ import annotations

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
    write_data(root / "data")
    (root / "tasks").mkdir()
    (root / "tasks/ward.yaml").write_text(TASK)
    return root


def _commands(root: Path) -> Row:
    row = Row("private texts through every command that prints or writes")
    _made(root)

    def folder(out: str) -> Path:
        return run_folders(root / out)[0].relative_to(root)

    (root / "raters.csv").write_text("name,specialty\nA,surgery\n")
    log = ["--verbose", "--log-file"]
    steps = (
        lambda: [*_run(root, "baseline:newest", "one"), *log, "one.log"],
        lambda: [*_run(root, "baseline:bm25", "two"), *log, "two.log"],
        lambda: [*_run(root, "baseline:majority", "three"), "--json"],
        lambda: [*_run(root, "baseline:bm25", "dry"), "--dry-run"],
        lambda: ["score", folder("one"), "--metrics", "chrf_pp", "--json"],
        lambda: ["verify", folder("one")],
        lambda: ["compare", folder("one"), folder("two"), "--out", "compared", "--json"],
        lambda: ["submit", folder("one"), "--out", "one.results.json"],
        lambda: ["leaderboard", "build", "one", "two", "--out", "site", "--include-path", "tasks", "--json"],
        lambda: ["leaderboard", "check", "site", "one", "two"],
        lambda: ["results", "check", "one"],
        lambda: ["rate", "plan", folder("one"), folder("two"), "--raters", "raters.csv", "--out", "study/private", "--json"],
        lambda: ["rate", "status", "study/private"],
        lambda: ["tasks", "show", "ward_questions", "--include-path", "tasks"],
        lambda: ["tasks", "validate", "tasks/ward.yaml", "--data-dir", "data"],
        lambda: ["data", "status", "--data-dir", "data", "--include-path", "tasks"],
        lambda: _broken(root),
        lambda: _unwritable(root),
        lambda: [*_run(root, "openai:away", "remote"), "--model-arg", "base_url=https://models.example/v1"],
    )
    os.environ["EHRBENCH_DEBUG"] = "1"
    try:
        for step in steps:
            arguments = step()
            said = run(root, *arguments).said
            public = f" {' '.join(words_of(said + _outside(root)))} "
            for kind, text in SHOWN.items():
                row.tried += 1
                if text in public:
                    row.failed(f"{kind} is shown", f"first: {arguments[0]}")
    finally:
        del os.environ["EHRBENCH_DEBUG"]
    return row


def _broken(root: Path) -> list[object]:
    """A line of the data that cannot be read: what is said of it quotes nothing."""
    path = root / "data/ward/items.jsonl"
    path.write_text(path.read_text().replace('"id": "ward-71-4407-b"', '"id": 5'))
    return _run(root, "baseline:bm25", "broken")


def _unwritable(root: Path) -> list[object]:
    shutil.rmtree(root / "data")
    write_data(root / "data")
    return [*_run(root, "baseline:bm25", "/proc/ehrbench")]


def _outside(root: Path) -> str:
    """Everything that was written outside of the data and of private folders; names of files, too."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        parts = path.relative_to(root).parts
        if parts[0] not in ("data", "tasks", "home") and "private" not in parts:
            found += [" ".join(parts), path.read_text("utf-8", "replace")]
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
                if (k + n) % 2 == present:  # a site takes longest: each text at each place once, with the data or without
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
    written = " ".join(path.read_text("utf-8") for path in out.rglob("*") if path.is_file())
    if SHOWN[kind] in f" {' '.join(words_of(written))} ":
        row.failed("published", f"first: {kind}, {where}")
