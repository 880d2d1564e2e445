"""Loading a checkpoint through transformers, which fills what the files lack with random numbers unless somebody asks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.models.hf.checkpoint import require_weights
from ehrbench.models.hf.config import load_config, setting
from ehrbench.models.hf.weight_files import safetensors_header

log = logging.getLogger(__name__)

_COMPUTED = ("inv_freq", "position_ids", "masked_bias")
"""Buffers that older releases saved beside the weights; they are computed, not learned."""
_SHOWN = 3


def load_whole(
    auto_class: Any, folder: Path, *, needed: Callable[[Any, str], bool] = lambda model, name: True, **options: Any
) -> Any:
    """Load a model whose every weight comes from the checkpoint's files.

    Tied weights need not be in the files, and transformers does not report them. Weights in the files that the model has no use
    for are named in a warning: the configuration may be that of a smaller model.

    Args:
        auto_class: for instance ``transformers.AutoModelForCausalLM``.
        folder: the checkpoint.
        needed: given the model and the name of a missing weight, whether the caller uses it.
        options: further arguments of ``from_pretrained``.

    Raises:
        UsageError: weights are missing, or are of another shape than the configuration says.
    """
    model, report = auto_class.from_pretrained(
        folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    require_covered(folder, report, lambda name: needed(model, name))
    return model


def require_loadable(folder: Path, *, trust_remote_code: bool = False) -> None:
    """Check that a checkpoint's files cover its model without reading the weights, for engines that do not ask.

    Where the model cannot be made without memory nothing is said: the engine itself will load it, or say why not.

    Raises:
        UsageError: they do not.
    """
    if find_spec("accelerate") is None:  # transformers needs it to make a model without memory
        _require_head(folder)
        return
    transformers: Any = import_module("transformers")
    try:
        load_whole(transformers.AutoModelForCausalLM, folder, device_map="meta", trust_remote_code=trust_remote_code)
    except EhrbenchError:
        raise
    except Exception as error:
        log.info("the weights in %s were not compared with its model: %s", folder, type(error).__name__)


def _require_head(folder: Path) -> None:
    """Refuse weights without the output layer, which vLLM does not miss, where their names say what it would be called."""
    files = [path for path in require_weights(folder) if path.suffix == ".safetensors"]
    names = {name for path in files for name in safetensors_header(path)}
    tied = setting(load_config(folder), "tie_word_embeddings")
    if tied is False and "model.embed_tokens.weight" in names and not any(name.startswith("lm_head.") for name in names):
        require_covered(folder, {"missing_keys": ["lm_head.weight"]})


def require_covered(folder: Path, report: Mapping[str, Any], needed: Callable[[str], bool] = lambda name: True) -> None:
    """Refuse a checkpoint whose files do not cover its model.

    Args:
        folder: the checkpoint, for messages.
        report: transformers' loading report: ``missing_keys``, ``mismatched_keys``, ``unexpected_keys``.
        needed: whether the caller uses the weight of this name.

    Raises:
        UsageError: naming the first weights.
    """
    missing = sorted(name for name in report.get("missing_keys", ()) if needed(name) and not name.endswith(_COMPUTED))
    if missing:
        raise UsageError(lacking(folder, missing))
    wrong = sorted((name, tuple(found), tuple(expected)) for name, found, expected in report.get("mismatched_keys", ()))
    wrong = [one for one in wrong if needed(one[0])]
    if wrong:
        name, found, expected = wrong[0]
        raise UsageError(
            f"{len(wrong)} weights in {folder} have another shape than config.json says ({name}: found {list(found)}, expected "
            f"{list(expected)}): the configuration and the weights are of different models; copy the checkpoint again"
        )
    surplus = sorted(report.get("unexpected_keys", ()))
    if surplus:
        log.warning(
            "%d weights in %s have no place in the model that its config.json describes (%s): they are not used",
            *(len(surplus), folder, listed(surplus)),
        )


def lacking(folder: Path, missing: Sequence[str]) -> str:
    """What to say of a checkpoint whose files lack weights of these names."""
    return (
        f"the weight files in {folder} lack {len(missing)} of the model's weights ({listed(missing)}), which would be random "
        "numbers: copy the checkpoint again, or correct its config.json"
    )


def listed(names: Iterable[str]) -> str:
    """The first few names, and that there are more."""
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
