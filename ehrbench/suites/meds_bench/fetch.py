"""Files of a dataset on a Hugging Face hub, placed whole and checked: the one part of the package that downloads data."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_file
from ehrbench.jsonl import write_atomically
from ehrbench.readers.fetch import Fetched
from ehrbench.suites.meds_bench.layout import task_id
from ehrbench.suites.meds_bench.reader import read_release_file

SPLIT = "Henrychur/MedS-Bench-SPLIT"
"""The sample that the paper scored."""
FULL = "Henrychur/MedS-Bench"
SOURCE_FILE = "SOURCE.json"


T = TypeVar("T")


def fetch(
    wanted: Sequence[Mapping[str, Any]],
    out: Path,
    *,
    full: bool,
    revision: str,
    force: bool,
    say: Callable[[str], None],
) -> Fetched:
    """Download the files of some tasks; see ``readers.fetch``."""
    files = [(str(options["folder"]), str(options["file"])) for options in wanted]
    return fetch_release(FULL if full else SPLIT, files, out, revision=revision, force=force, say=say)


def fetch_release(
    repo: str,
    wanted: Sequence[tuple[str, str]],
    out: Path,
    *,
    revision: str = "main",
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Fetched:
    """Download files of a MedS-Bench repository; no token is sent.

    Args:
        repo: ``owner/name`` of a dataset.
        wanted: folder and file of each; where the name is not there, a single other file of the folder with its task id is taken.
        out: a folder for repositories; the files go to one named after the repository in it, with a note of where they are from.
        revision: branch, tag or commit; resolved to a commit once.
        force: download what is there already, too.
        say: told each file as it is placed.

    Raises:
        MissingError: huggingface_hub is not installed, or the hub ($HF_ENDPOINT) cannot be reached or has no such dataset.
        UsageError: a file that came is not one of the release; it is not placed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingError("fetching needs the package huggingface_hub: pip install 'ehrbench[hub]'") from None
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    api = HfApi(endpoint=endpoint, token=False)
    info = _asked(lambda: api.dataset_info(repo, revision=revision), repo, endpoint)
    commit = str(info.sha)
    names = {str(one.rfilename) for one in info.siblings or ()}
    folder = out / repo.partition("/")[2]
    folder.mkdir(parents=True, exist_ok=True)
    report = Fetched(folder, commit, [], [], [])
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        for category, file in wanted:
            name = _name_there(names, category, file)
            if name is None:
                report.not_on_the_hub.append(f"{category}/{file}")
            elif (folder / name).is_file() and not force:
                report.there_already.append(name)
            else:
                here = Path(_asked(lambda name=name: _download(api, repo, name, commit, scratch), repo, endpoint))  # type: ignore[misc]
                _check(here, repo, name)
                (folder / name).parent.mkdir(exist_ok=True)
                here.replace(folder / name)
                report.placed.append(name)
                say(name)
    _note(folder, repo, commit, report.placed)
    return report


def _download(api: object, repo: str, name: str, commit: str, scratch: str) -> str:
    path: str = api.hf_hub_download(repo, name, repo_type="dataset", revision=commit, local_dir=scratch)  # type: ignore[attr-defined]
    return path


def _asked(call: Callable[[], T], repo: str, endpoint: str) -> T:
    try:
        return call()
    except Exception as error:  # the hub's client raises classes of several packages
        kind = type(error).__name__
        raise MissingError(
            f"{repo} cannot be downloaded from {endpoint} ({kind}); check the network, "
            "$HF_ENDPOINT and $HF_HUB_OFFLINE, then try again"
        ) from None


def _name_there(names: set[str], category: str, file: str) -> str | None:
    if f"{category}/{file}" in names:
        return f"{category}/{file}"
    alike = [name for name in names if name.startswith(f"{category}/{task_id(file)}_") and name.endswith((".json", ".jsonl"))]
    return alike[0] if len(alike) == 1 and alike[0].count("/") == 1 else None


def _check(path: Path, repo: str, name: str) -> None:
    try:
        read_release_file(path)
    except UsageError as error:
        what = str(error).replace(str(path), name)
        raise UsageError(f"{repo} gave a file that is not one of the release, so it was not placed: {what}") from None


def _note(folder: Path, repo: str, commit: str, placed: Sequence[str]) -> None:
    path = folder / SOURCE_FILE
    known: dict[str, dict[str, str]] = {}
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))["files"]
        except (ValueError, KeyError):
            known = {}
    for name in placed:
        known[name] = {"repo": repo, "commit": commit, "sha256": hash_file(folder / name)}
    write_atomically(path, (json.dumps({"files": known}, indent=2, sort_keys=True) + "\n").encode())
