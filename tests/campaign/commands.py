"""Every command that writes, over small credentialed data, in processes of their own that start quickly.

A process is forked from this one, which has imported the package: it may be killed, and it starts in a tenth of the time.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.acceptance.chart import run_folders, without_clock, write_release

ENDED_S = 120.0
"""A command that says nothing and does not end for so long hangs; each takes a second or two."""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    said: str
    """Standard output and error."""


class Command(NamedTuple):
    """A command that writes."""

    name: str
    arguments: Callable[[Path], Sequence[object]]
    """Of the folder that it works in."""


class Started(NamedTuple):
    """A command that is under way."""

    pid: int
    said: int
    """Descriptor of a pipe: what it says is no file, so that no limit of files is one of what it may say."""


def start(root: Path, arguments: Sequence[object], *, file_bytes: int | None = None) -> Started:
    """Begin a command in a process of its own."""
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        return Started(child, reader)
    try:
        os.close(reader)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
        os.chdir(root)
        os.environ["EHRBENCH_HOME"] = str(root / "home")
        sys.argv = ["ehrbench", *map(str, arguments)]
        if file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        from ehrbench.cli import main

        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        code = 99
    finally:
        # No clean-up of this process's: it is a copy of the campaign.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                continue
        os._exit(code)


def kill(command: Started) -> None:
    """Kill a command, if it is still there."""
    os.kill(command.pid, signal.SIGKILL)
    end(command)


def end(command: Started) -> Ended:
    """Wait for a command."""
    said = b""
    while select.select([command.said], [], [], ENDED_S)[0]:
        if not (part := os.read(command.said, 65536)):
            break
        said += part
    else:
        os.kill(command.pid, signal.SIGKILL)
    os.close(command.said)
    _, status = os.waitpid(command.pid, 0)
    return Ended(os.waitstatus_to_exitcode(status), said.decode("utf-8", "replace"))


def run(root: Path, *arguments: object) -> Ended:
    """Run a command to its end."""
    return end(start(root, arguments))


def _asked(model: str, out: str) -> list[object]:
    given = ["--tasks", "medalign", "--data-dir", "data", "--metrics", "rouge_l,chrf_pp", "--quiet", "--allow-partial"]
    return ["run", "--model", model, *given, "--out", out]


def _one(root: Path, out: str) -> Path:
    return run_folders(root / out)[0].relative_to(root)


def make_world(root: Path, port: int) -> Path:
    """Data, finished runs and what else the commands start from.

    Args:
        root: an empty folder.
        port: of a stub server on this machine.
    """
    write_release(root / "data", patients=3, questions=4, entries=4)
    (root / "raters.csv").write_text("name,specialty\nA,surgery\nB,medicine\n")
    ratings = [f"i{k},A,{system},{rank}" for k in range(9) for rank, system in enumerate(("x", "y", "z"), 1)]
    (root / "ratings.csv").write_text("item,rater,system,rank\n" + "\n".join(ratings) + "\n")
    scores = [f"i{k},{system},m,{k % 4 + place}" for k in range(9) for place, system in enumerate("xyz")]
    (root / "scores.csv").write_text("item,system,metric,score\n" + "\n".join(scores) + "\n")
    notes = "".join(
        f'{k}-RR-{k},{k},"{" " * 33}FINAL REPORT\nEXAMINATION: CT CHEST\n\nFINDINGS: Clear.\n\nIMPRESSION: No mass {k}.\n"\n'
        for k in range(30)
    )
    (root / "radiology.csv").write_text(f"note_id,subject_id,text\n{notes}")
    for command in (_asked("baseline:bm25", "one"), _asked("baseline:newest", "two")):
        ended = run(root, *command)
        assert ended.code == 0, ended.said
    for shard in ("1/2", "2/2"):
        ended = run(root, *_asked("baseline:bm25", "shards"), "--shard", shard)
        assert ended.code == 0, ended.said
    ended = run(root, "rate", "plan", _one(root, "one"), _one(root, "two"), "--raters", "raters.csv", "--out", "planned")
    assert ended.code == 0, ended.said
    from ehrbench.mimic.sample import generate
    from ehrbench.suites.ehrshot.sample import write_assets

    (root / "mimic").mkdir()
    generate(root / "mimic")
    write_assets(root / "ehrshot")
    (root / "url").write_text(f"http://127.0.0.1:{port}/v1")
    return root


def _served(root: Path) -> list[object]:
    return ["--model-arg", f"base_url={(root / 'url').read_text()}"]


def _called(root: Path, name: str) -> list[object]:
    asked = _asked("openai:stub", "batch")
    place = asked.index("--metrics")
    return [name, *asked[1:place], *asked[place + 2 :], "--budget-tokenizer", "words", *_served(root)]


def _judged(root: Path) -> list[object]:
    judge = ["--judge", "openai:stub", "--judge-arg", f"base_url={(root / 'url').read_text()}", "--quiet"]
    return ["judge", _one(root, "one"), "--reference", _one(root, "two"), "--out", "judged", *judge]


COMMANDS = (
    Command("run", lambda root: _asked("baseline:bm25", "made")),
    Command("run (server)", lambda root: [*_asked("openai:stub", "made"), "--budget-tokenizer", "words", *_served(root)]),
    Command("requests", lambda root: [*_called(root, "requests"), "--out", "calls.jsonl"]),
    Command("merge", lambda root: ["merge", *(p.relative_to(root) for p in run_folders(root / "shards")), "--quiet"]),
    Command("score", lambda root: ["score", _one(root, "one"), "--metrics", "meteor,exact_match", "--quiet"]),
    Command("judge", _judged),
    Command("correlate", lambda root: ["correlate", "--ratings", "ratings.csv", "--scores", "scores.csv", "--out", "agreeing"]),
    Command("human-stats", lambda root: ["human-stats", "--ratings", "ratings.csv", "--out", "human"]),
    Command("agreement", lambda root: ["agreement", "--ratings", "ratings.csv", "--out", "raters"]),
    Command("compare", lambda root: ["compare", _one(root, "one"), _one(root, "two"), "--out", "compared"]),
    Command("submit", lambda root: ["submit", _one(root, "one"), "--out", "a.results.json"]),
    Command("approve", lambda root: ["approve", "https://a.example", "--tasks", "medalign", "--by", "A", "--agreement", "B"]),
    Command(
        "rate plan",
        lambda root: ["rate", "plan", _one(root, "one"), _one(root, "two"), "--raters", "raters.csv", "--out", "study"],
    ),
    Command("leaderboard build", lambda root: ["leaderboard", "build", "one", "two", "--out", "site"]),
    Command("data sample", lambda root: ["data", "sample", "sample", "--suite", "medalign"]),
    Command("data prepare mimic_instr", lambda root: ["data", "prepare", "mimic_instr", "--mimic", "mimic", "--out", "built"]),
    Command("data prepare ehr_bench", lambda root: ["data", "prepare", "ehr_bench", "--mimic", "mimic", "--out", "built"]),
    Command("data prepare ehrshot", lambda root: ["data", "prepare", "ehrshot", "--assets", "ehrshot", "--out", "built"]),
    Command(
        "data prepare meds_bench",
        lambda root: ["data", "prepare", "meds_bench", "--radiology", "radiology.csv", "--out", "built"],
    ),
)


def files(root: Path) -> dict[str, Any]:
    """What lies in a world, comparable between two: without clocks, locks, what was said, and where the world lies."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        if path.name in ("lock", "lock.holder", "origin.json", "url") or name.startswith(("home/token-counts", "home/hash")):
            continue
        content = path.read_bytes().replace(str(root).encode(), b"ROOT")
        if path.suffix == ".jsonl":
            found[name] = [without_clock(json.loads(line)) for line in content.splitlines()]
        elif path.suffix == ".json":
            found[name] = _undated(json.loads(content))
        else:
            found[name] = content
    return found


def _undated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _undated(one) for key, one in without_clock(value).items() if key != "date" or len(str(one)) < 11}
    return [_undated(one) for one in value] if isinstance(value, list) else value


def copy(world: Path, to: Path) -> Path:
    """A world to work in, as it was made."""
    return Path(shutil.copytree(world, to, symlinks=True))


def exposed(root: Path) -> str | None:
    """What a kill left open: a private folder that others may read or that git would take; None: nothing."""
    for folder in root.rglob("private"):
        if folder.stat().st_mode & 0o077:
            return "a private folder that others may read"
        ignored = folder / ".gitignore"
        others = [path for path in folder.iterdir() if not path.name.startswith(".gitignore") and ".gitignore." not in path.name]
        if others and (not ignored.is_file() or ignored.read_bytes() != b"*\n"):
            return "a private folder that git would take"
    return None
