"""The package lm-eval: whether it is installed, and kept from the network."""

from __future__ import annotations

import logging
import os
from importlib.metadata import PackageNotFoundError, version

from ehrbench.errors import MissingError


def require_lm_eval() -> str:
    """The version of lm-eval.

    Raises:
        MissingError: it is not installed.
    """
    try:
        found = version("lm-eval")
    except PackageNotFoundError:
        raise MissingError("lm-eval is not installed: pip install 'ehrbench[lm-eval]'") from None
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # offline first: no task may fetch its data behind the user's back
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return found
