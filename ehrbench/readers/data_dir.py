"""From ``--data-dir`` and a task's ``data.path`` to the folder that its reader opens."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ehrbench.errors import MissingError
from ehrbench.readers import READERS, Dataset
from ehrbench.readers.hf.package import HUB, hub_folder, hub_place
from ehrbench.readers.samples import SAMPLE_WORD, ensure_sample, suite_of

if TYPE_CHECKING:
    from ehrbench.tasks.schema import DataSpec, TaskSpec

ENVIRONMENT = "EHRBENCH_DATA"
DEFAULT = "data"


def chosen_data_dir(data_dir: str | None) -> str:
    """What was chosen: the argument, else ``$EHRBENCH_DATA``, else ``data``."""
    return data_dir or os.environ.get(ENVIRONMENT) or DEFAULT


def is_sample(data_dir: str | None) -> bool:
    """Whether the data are the bundled synthetic samples, generated here: only the word ``sample`` means them, never a folder."""
    return chosen_data_dir(data_dir) == SAMPLE_WORD


def is_hub(data_dir: str | None) -> bool:
    """Whether the data folder is a data set of the Hugging Face hub, in the hub's cache: ``hf:OWNER/NAME@REVISION``."""
    return chosen_data_dir(data_dir).startswith(HUB)


def is_folder(data_dir: str | None) -> bool:
    """Whether the data are in a folder, and not behind a word for data elsewhere."""
    return not (is_sample(data_dir) or is_hub(data_dir))


def full_place(data_dir: str | None) -> str:
    """What was chosen, so that it holds in another folder, too."""
    chosen = chosen_data_dir(data_dir)
    return str(Path(chosen).expanduser().resolve()) if is_folder(chosen) else chosen


def locate(spec: DataSpec, data_dir: str | None) -> Path:
    """The folder of a task's data.

    It is ``data.path`` below the data folder where that is there, else the data folder itself where the task's reader recognises
    a release in it. For ``sample`` it is in the synthetic data of the task's suite, generated on first use.

    A data set of the hub's cache may be named in place of the data folder. Data that the reader finds elsewhere by itself are not
    looked for in the data folder.

    Args:
        spec: the task's ``data`` section.
        data_dir: ``--data-dir``; see ``chosen_data_dir`` for None.

    Raises:
        MissingError: the data are not there; the message says where to get them and where to put them.
    """
    chosen = chosen_data_dir(data_dir)
    if chosen == SAMPLE_WORD:
        return ensure_sample(suite_of(spec.path)).parent / spec.path
    reader = READERS.get(spec.reader)
    if (folder := reader.elsewhere(spec.options)) is not None:
        return folder
    root = hub_folder(*hub_place(chosen)) if is_hub(chosen) else Path(chosen).expanduser()
    if not root.is_dir():
        named = "" if data_dir else " (the default; name another with --data-dir)"
        raise MissingError(f"the data folder {root}{named} is not there; {_advice(spec, root)}")
    folder = root / spec.path
    if folder.is_dir():
        return folder
    if reader.recognises(root, spec.options):
        return root
    raise MissingError(f"the data of reader '{spec.reader}' are not in {root}; {_advice(spec, root)}")


def require(spec: DataSpec, folder: Path) -> None:
    """Look for a task's own files in the folder that ``locate`` found, where its reader can tell without reading them.

    Raises:
        MissingError: the folder is there and they are not, or they have nothing of the task.
    """
    reader = READERS.get(spec.reader)
    if reader.recognises(folder, spec.options) is False:
        source = f"; get them: {spec.source.strip().rstrip('.')}" if spec.source else ""
        raise MissingError(f"not in {folder}{source}")
    if lacking := reader.lacks(folder, spec.options):
        raise MissingError(lacking)


def _advice(spec: DataSpec, root: Path) -> str:
    from ehrbench.readers.samples import SAMPLES

    source = f"get them ({spec.source.strip().rstrip('.')}) and put" if spec.source else "put"
    advice = f"{source} them into {root / spec.path}"
    if suite_of(spec.path) in SAMPLES:
        advice += f"; --data-dir {SAMPLE_WORD} runs the synthetic sample instead"
    return advice


def open_dataset(task: TaskSpec, data_dir: str | None) -> Dataset:
    """Find a task's data and read them, with the record rendering that the task names.

    Args:
        task: the task.
        data_dir: as for ``locate``.

    Raises:
        MissingError: the data, or a part of them, are not there.
        UsageError: the data are malformed, or the reader has no such rendering.
    """
    options = task.data.options
    if task.record and "rendering" in task.record.model_fields_set:
        options = {"rendering": task.record.rendering, **options}
    if task.data.reader == "lm_eval":  # its task files say where the data are
        return READERS.get("lm_eval")(Path(), {**options, "num_fewshot": task.fewshot.k})
    folder = locate(task.data, data_dir)
    dataset = READERS.get(task.data.reader)(folder, options)
    chosen = chosen_data_dir(data_dir)
    if not is_hub(chosen) or READERS.get(task.data.reader).elsewhere(task.data.options) is not None:
        return dataset
    name, revision = hub_place(chosen)
    source = {"id": name, **({"revision": revision} if revision else {}), "commit": hub_folder(name, revision).name}
    return replace(dataset, source={**dataset.source, **source})
