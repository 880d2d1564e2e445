"""Synthetic samples: invented data in each release's own layout, generated where they are wanted.

A generator writes one suite's release into an empty folder, the same bytes each time. Its suite is the first part of the
``data.path`` of the tasks that read it.
"""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ehrbench.errors import MissingError, UsageError
from ehrbench.home import home_dir
from ehrbench.jsonl import lives
from ehrbench.registry import Registry

SAMPLE_WORD = "sample"
"""The ``--data-dir`` that means these."""

SampleGenerator = Callable[[Path], None]
"""Writes a release into an empty folder. No randomness but from a fixed seed, no clock, no network."""

SAMPLES: Registry[SampleGenerator] = Registry("sample", {"mimic": "ehrbench.mimic.sample:generate"})
"""Suites register theirs; the synthetic MIMIC-IV is what several of them are built from."""


def suite_of(data_path: str) -> str:
    """The suite whose sample a task reads: the first part of its ``data.path``."""
    return data_path.replace("\\", "/").strip("/").split("/")[0]


def _generator_digest(generator: SampleGenerator) -> str:
    """Changes with the generator's source, so that a new version never reads an old sample."""
    source = Path(import_module(generator.__module__).__file__ or "")
    files = sorted(path for path in source.parent.rglob("*") if path.suffix in (".py", ".yaml", ".csv", ".json", ".txt"))
    digest = hashlib.sha256()
    for path in files if source.name == "__init__.py" else [source]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def write_sample(suite: str, folder: Path) -> Path:
    """Write a suite's sample to ``folder``, whole or not at all.

    Two processes may write the same folder at once: one of them wins and both have the same files.

    Raises:
        UsageError: no such suite, or the folder is there and holds something else.
    """
    generate = SAMPLES.get(suite)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".{glob.escape(folder.name)}-*-*"):  # of a process that was killed
        if (process := left.name.split("-")[-2]).isdecimal() and not lives(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-{os.getpid()}-", dir=folder.parent))
    try:
        whole = scratch / folder.name
        whole.mkdir()
        generate(whole)
        try:
            whole.rename(folder)
        except OSError:
            if not _same_files(whole, folder):
                raise UsageError(
                    f"{folder} is there and is not the sample '{suite}' of this version; remove it or name another folder"
                ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _same_files(one: Path, other: Path) -> bool:
    def listing(root: Path) -> dict[str, int]:
        return {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}

    return other.is_dir() and listing(one) == listing(other)


def ensure_sample(suite: str) -> Path:
    """The folder of a suite's sample in ehrbench's home, generated if this version has not yet done so.

    Raises:
        MissingError: the suite has no sample.
    """
    if suite not in SAMPLES:
        raise MissingError(
            f"there is no synthetic sample of '{suite}' (there are: {', '.join(SAMPLES)}); name a folder with --data-dir"
        )
    folder = home_dir() / "sample" / f"{suite}-{_generator_digest(SAMPLES.get(suite))}" / suite
    if not folder.is_dir():
        write_sample(suite, folder)
    return folder
