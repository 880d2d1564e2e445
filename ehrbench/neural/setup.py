"""Making the metrics' own environment: a virtual environment with the versions that were found to work together."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.neural.environment import DONE, REQUIREMENTS, WITHOUT_DEPENDENCIES, Environment
from ehrbench.neural.worker import PROTOCOL

PYTHONS = ((3, 10), (3, 12))
"""Oldest and newest Python that all of the requirements have wheels for."""


class Sources(NamedTuple):
    """Where pip gets packages; handed on to it as they are."""

    index_url: str | None = None
    extra_index_url: Sequence[str] = ()
    find_links: Sequence[str] = ()
    no_index: bool = False

    def arguments(self) -> list[str]:
        """As pip's options."""
        found = ["--index-url", self.index_url] if self.index_url else []
        for name, values in (("--extra-index-url", self.extra_index_url), ("--find-links", self.find_links)):
            for value in values:
                found += [name, value]
        return found + (["--no-index"] if self.no_index else [])


def make_environment(
    place: Environment,
    python: str,
    sources: Sources,
    *,
    instead: Sequence[str] = (),
    force: bool = False,
    say: Callable[[str], None],
) -> None:
    """Make the environment, or say that it is there.

    Args:
        place: where.
        python: an interpreter of Python 3.10 to 3.12.
        sources: where packages come from.
        instead: requirements that replace ours of the same name (``torch==2.13.0``), or are added.
        force: remove what is there first.
        say: told each step.

    Raises:
        UsageError: the interpreter is not there or of another version, or the folder is in use for something else.
        EhrbenchError: pip failed; its own words were shown.
    """
    if place.own:
        raise UsageError(f"EHRBENCH_COMET_ENVIRONMENT names {place.folder}, which is yours to fill: unset it to have one made")
    done = place.folder / DONE
    if done.is_file() and not force:
        say(f"{place.folder} already exists; --force makes it again")
        return
    if place.folder.exists():
        shutil.rmtree(place.folder)
    _check_python(python)
    say(f"making {place.folder} with {python}")
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    _run([python, "-m", "venv", str(place.folder)], "make a virtual environment")
    pip = [str(place.python), "-m", "pip", "install", "--disable-pip-version-check", *sources.arguments()]
    wanted = requirements(instead)
    say(f"installing {', '.join(wanted)}")
    _run([*pip, *wanted], "install the metrics' libraries")
    say(f"installing {', '.join(WITHOUT_DEPENDENCIES)}, without what they ask for")
    _run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], "install the metrics' libraries")
    done.write_text(
        json.dumps({"protocol": PROTOCOL, "requirements": [*wanted, *WITHOUT_DEPENDENCIES]}, indent=2) + "\n", "utf-8"
    )


def requirements(instead: Sequence[str] = ()) -> list[str]:
    """Our requirements, with the given ones in the place of those of the same name."""
    given = {_name(one): one for one in instead}
    ours = [given.pop(_name(one), one) for one in REQUIREMENTS]
    return [*ours, *given.values()]


def _name(requirement: str) -> str:
    for k, character in enumerate(requirement):
        if not (character.isalnum() or character in "-_."):
            return requirement[:k].lower().replace("_", "-")
    return requirement.lower().replace("_", "-")


def _check_python(python: str) -> None:
    try:
        found = subprocess.run(
            [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True, timeout=60
        )
        version = tuple(map(int, found.stdout.split()))
    except (OSError, ValueError, subprocess.SubprocessError):
        raise UsageError(f"'{python}' is not a Python that can be run: name one with --python") from None
    oldest, newest = PYTHONS
    if not oldest <= version <= newest:
        raise UsageError(
            f"'{python}' is Python {'.'.join(map(str, version))}; unbabel-comet's numpy has no wheels for it: name a Python from "
            f"{'.'.join(map(str, oldest))} to {'.'.join(map(str, newest))} with --python"
        )


def _run(command: Sequence[str], what: str) -> None:
    # What pip says goes where this process's words go: it may take minutes and its errors are for the user.
    if subprocess.run(command, check=False).returncode:
        raise EhrbenchError(
            f"cannot {what} (see above): without a network, fetch the wheels elsewhere (`pip download`) and give their folder "
            "with --find-links and --no-index, then run the command again"
        )
