"""The metrics' own environment: where it is, what is in it, and whether that is what the metrics need.

unbabel-comet needs numpy 1 and transformers 4, which no current engine runs with, so COMET and its kin live in a virtual
environment of their own and are talked to over a pipe (``worker.py``, ``client.py``).
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

from ehrbench.home import home_dir

REQUIREMENTS = (
    "unbabel-comet==2.2.7",
    "transformers==4.57.6",
    "numpy==1.26.4",
    "setuptools<82",
    "pyarrow<26",
    "sentencepiece<0.2.1",
    "protobuf<5",
    "torch",
)
"""Found by running them; numpy 1.26 has no wheels for Python 3.13."""
WITHOUT_DEPENDENCIES = ("bleurt-pytorch==0.0.1", "lens-metric==0.2.0")
"""They ask for versions that unbabel-comet cannot have, and run with those that it has."""
DONE = "environment.json"
"""Written last when ``ehrbench metrics setup`` makes an environment."""
VARIABLE = "EHRBENCH_COMET_ENVIRONMENT"


class Environment(NamedTuple):
    """A virtual environment's folder."""

    folder: Path
    own: bool
    """True for one that the user made and named, False for the one of ``ehrbench metrics setup``."""

    @property
    def python(self) -> Path:
        """Its interpreter, whether or not it is there."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def versions(self) -> dict[str, str]:
        """The installed versions of the libraries that decide numbers, read without starting its Python."""
        places = [*self.folder.glob("lib/python3*/site-packages"), *self.folder.glob("Lib/site-packages")]
        return dict(_versions(tuple(map(str, places))))

    def problem(self, metric: str, needs: str) -> str | None:
        """Why a metric's library (``unbabel-comet==2.2.7``) cannot be used from here, as one sentence; None when it can."""
        name, _, wanted = needs.partition("==")
        anew = (
            f"install it there, or unset {VARIABLE} and run `ehrbench metrics setup comet`"
            if self.own
            else "run `ehrbench metrics setup comet --force`"
        )
        if not self.python.exists():
            if self.own:
                return (
                    f"{VARIABLE} names a folder that is not a virtual environment (it has no bin/python): correct it or unset it"
                )
            return f"{metric} runs in an environment of its own, which is not there: run `ehrbench metrics setup comet`"
        if not self.own and not (self.folder / DONE).is_file():
            return "the metrics' environment was not finished when it was made: run `ehrbench metrics setup comet` again"
        found = self.versions().get(name)
        if found is None:
            return f"the metrics' environment has no {name}: {anew}"
        if wanted and found != wanted:
            return f"the metrics' environment has {name} {found}, and this version of ehrbench works with {wanted}: {anew}"
        return None


def environment() -> Environment:
    """The one that ``EHRBENCH_COMET_ENVIRONMENT`` names, else that of ``ehrbench metrics setup``."""
    if value := os.environ.get(VARIABLE):
        return Environment(Path(value).expanduser().absolute(), own=True)
    return Environment(home_dir() / "environments" / "comet", own=False)


@lru_cache(maxsize=8)
def _versions(places: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    names = ("unbabel-comet", "bleurt-pytorch", "lens-metric", "torch", "transformers")
    found = []
    for name in names:
        for distribution in Distribution.discover(name=name, path=list(places)):
            found.append((name, distribution.version))
            break
    return tuple(found)
