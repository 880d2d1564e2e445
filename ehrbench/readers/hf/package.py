"""The package datasets: whether it is installed, kept from the network, and where it may put what it makes."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError


def require_datasets() -> Any:
    """The package, without progress bars and warnings, and without a network.

    Raises:
        MissingError: it is not installed.
    """
    if find_spec("datasets") is None:
        raise MissingError("the reader 'hf' needs the package datasets, not installed here: pip install 'ehrbench[datasets]'")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ.setdefault(name, "1")  # read when the package is imported
    datasets = import_module("datasets")
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    return datasets


@lru_cache(maxsize=1)
def private_cache() -> str:
    """A folder for this process alone, gone when it ends: a converted copy of a user's files may hold patients' text."""
    folder = tempfile.mkdtemp(prefix="ehrbench-datasets-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


HUB = "hf:"
"""What the place of a set of the hub begins with: ``hf:OWNER/NAME@REVISION``."""
_PLACE = re.compile(r"hf:(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?")


def hub_place(text: str) -> tuple[str, str | None]:
    """Name and revision of a set of the hub.

    Raises:
        UsageError: not of that form.
    """
    match = _PLACE.fullmatch(text)
    if match is None:
        raise UsageError(f"'{text}' is not a data set of the hub: expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION")
    return match[1], match[2]


def hub_folder(name: str, revision: str | None) -> Path:
    """A data set of the hub in the hub's cache; its folder's name is the commit. Nothing is downloaded.

    Raises:
        MissingError: it is not there, or not whole; the message has the command that fetches it.
    """
    if find_spec("huggingface_hub") is None:
        raise MissingError(
            f"{name}: the hub's cache is read with huggingface_hub, not installed here: pip install 'ehrbench[hub]'"
        )
    hub: Any = import_module("huggingface_hub")
    command = f"hf download --repo-type dataset {name}" + (f" --revision {revision}" if revision else "")
    what = f"the data set {name}" + (f" at revision {revision}" if revision else "")
    try:
        folder = Path(hub.snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
    except (OSError, ValueError) as error:
        kind = type(error).__name__
        raise MissingError(
            f"{what} is not whole in the hub's cache {hub.constants.HF_HUB_CACHE} ({kind}); on a machine with a network, run "
            f"`{command}`, and copy the cache where this one has none"
        ) from None
    if absent := _absent_parts(folder):
        raise MissingError(f"{what} lacks {absent} in the hub's cache {folder}; run `{command}`")
    return folder


def _absent_parts(folder: Path) -> str | None:
    """The first part ``x-00001-of-00003.y`` that is not there though another one is: older caches do not know what is missing."""
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*-of-*") if path.is_file()}
    for name in sorted(present):
        stem, _, suffix = name.rpartition("-of-")
        number, total = stem.rpartition("-")[2], suffix.split(".")[0].split("-")[0]
        if number.isdecimal() and total.isdecimal() and int(total) < 100_000:
            head, tail = stem[: -len(number)], suffix[len(total) :]
            if "-" in tail:  # a hash of each part's own
                continue
            for one in range(int(total)):
                part = f"{head}{one:0{len(number)}d}-of-{total}{tail}"
                if part not in present:
                    return part
    return None
