"""Where the shipped data is: the task files, the site's templates and the published tables.

In a checkout they stand at the top of the repository; in an installed wheel, inside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).parent
_CHECKOUT = {"tasks": "tasks", "leaderboard": "leaderboard", "published": "results/published"}


def asset_dir(name: Literal["tasks", "leaderboard", "published"]) -> Path:
    """The folder of one kind of shipped data."""
    installed = _PACKAGE / "_assets" / name
    return installed if installed.is_dir() else _PACKAGE.parent / _CHECKOUT[name]
