"""A run that is ready to start: its task with the user's choices, its data, its model, past the policy gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.errors import MissingDataError, MissingError
from ehrbench.models.capabilities import Describes
from ehrbench.models.protocol import Model, Tokenizer
from ehrbench.readers import Dataset
from ehrbench.readers.data_dir import is_sample, open_dataset
from ehrbench.readers.item import Item
from ehrbench.runs.approvals import Approval
from ehrbench.runs.folder import RunFolder, folder_for
from ehrbench.runs.options import RunOptions, apply_options, config_hash, run_config, with_base_model_stops
from ehrbench.runs.policy import check_logger, check_policy
from ehrbench.runs.samples import chosen_items, samples_config
from ehrbench.runs.shards import shard_folder
from ehrbench.tasks.schema import TaskSpec


class Prepared(NamedTuple):
    """A run that is ready to start: nothing has been sent, nothing written."""

    task: TaskSpec
    dataset: Dataset
    items: Sequence[Item]
    model: Model
    budget_tokenizer: Tokenizer | None
    """Counts ``--max-model-len`` in place of the model's own."""
    options: RunOptions
    approval: Approval | None
    synthetic: bool

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together; None: no limit is known."""
        return self.options.max_model_len or self.model.context_length

    @property
    def tokenizer(self) -> Tokenizer | None:
        """Whose tokens the window is counted in."""
        return self.budget_tokenizer or self.model.tokenizer

    @property
    def credentialed(self) -> bool:
        """Whether the text is under a data use agreement."""
        return self.task.data.policy != "open" and not (self.synthetic or self.dataset.open_data)

    def config(self) -> dict[str, object]:
        """Everything that decides the numbers."""
        config = run_config(self.task, self.options, self.model, self.dataset.digest(), self.tokenizer, self.window)
        return config if self.options.samples is None else {**config, "samples": samples_config(self.items)}

    def folder(self) -> RunFolder:
        """Where the run is kept, or its shard."""
        name = config_hash(self.config())
        whole = folder_for(self.options.out, self.model.identity.name, self.task.task, name)
        return whole if self.options.shard is None else shard_folder(whole, self.options.shard)


def prepare(task: TaskSpec, model: Model, options: RunOptions) -> Prepared:
    """Open the data and pass the policy gate.

    Raises:
        MissingDataError: the data are not there.
        MissingError: the model's server or a tokenizer is not there.
        PolicyError: the endpoint may not see them.
    """
    task = with_base_model_stops(apply_options(task, options), options, model)
    synthetic = is_sample(options.data_dir)
    try:
        dataset = open_dataset(task, options.data_dir)
    except MissingError as error:
        raise MissingDataError(str(error)) from None
    approval = check_policy(task, model, synthetic or dataset.open_data)
    for logger in options.log_to:
        check_logger(task, logger, synthetic or dataset.open_data)
    if isinstance(model, Describes):
        model.describe()
    budget = load_budget_tokenizer(options.budget_tokenizer)
    items = chosen_items(task.task, dataset.items, options.samples, options.limit)
    return Prepared(task, dataset, items, model, budget, options, approval, synthetic)


def load_budget_tokenizer(name: str | None) -> Tokenizer | None:
    """The tokenizer of ``--budget-tokenizer``: a folder, a cached hub id, or ``words``."""
    if name is None:
        return None
    if name == "words":
        from ehrbench.models.words import WordTokenizer

        return WordTokenizer()
    from ehrbench.models.hf.tokenizer import load_tokenizer

    tokenizer: Tokenizer = load_tokenizer(name)
    return tokenizer
