"""A transformer's token states for many texts: each distinct text is encoded once, texts of similar length together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError

BATCH = 32


class Encoded(NamedTuple):
    """One text's states."""

    states: Any
    """float tensor [tokens, hidden], each row of length 1."""
    counts: Any
    """bool tensor [tokens]: True for tokens that carry weight, False for the special ones at the ends."""


class TextEncoder:
    """The lower layers of a checkpoint, with its tokenizer."""

    def __init__(
        self, folder: Path, layer: int, *, device: str | None = None, dtype: str = "float32", batch: int = BATCH
    ) -> None:
        """Load.

        Args:
            folder: what ``save_pretrained`` wrote.
            layer: states are taken after this many layers; the layers above are not computed.
            device: a torch device; None: the first GPU, else the CPU.
            dtype: of the weights.
            batch: texts encoded at once.

        Raises:
            MissingError: the folder is not a checkpoint.
            UsageError: the checkpoint cannot be loaded, its files lack weights that are used, or it has fewer layers.
        """
        import torch
        from transformers import AutoModel, AutoTokenizer

        from ehrbench.models.hf.checkpoint import require_weights
        from ehrbench.models.hf.coverage import load_whole

        require_weights(folder)
        self._torch = torch
        self._batch = batch
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = load_whole(AutoModel, folder, needed=partial(_is_used, layer), dtype=getattr(torch, dtype))
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UsageError(
                f"the checkpoint in {folder} cannot be loaded ({type(error).__name__}): expected the folder of an encoder that "
                "transformers' AutoModel and AutoTokenizer read; fetch it again"
            ) from None
        if self._tokenizer.pad_token_id is None or not self._tokenizer.get_vocab():
            raise MissingError(f"the checkpoint in {folder} has no tokenizer with a padding token: copy its tokenizer files too")
        _keep_layers(model, layer, folder)
        self._model = model.to(self.device).eval()
        self._ends = {i for i in (self._tokenizer.cls_token_id, self._tokenizer.sep_token_id) if i is not None}
        self.max_tokens = _longest(self._tokenizer, model.config)
        # Byte-level tokenizers give a word another token at the beginning of a text than after a space. BERTScore's authors ask
        # for the latter, with an argument that transformers 5 no longer heeds.
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        self._prefix = " " if "ByteLevel" in type(getattr(backend, "pre_tokenizer", None)).__name__ else ""

    def token_ids(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """The tokens of each text with the special ones, and how many texts had to be cut at ``max_tokens``."""
        if not texts:
            return [], 0
        found = self._tokenizer([self._prefix + text for text in texts], add_special_tokens=True, truncation=False, verbose=False)
        ids: list[list[int]] = found["input_ids"]
        long = [k for k, one in enumerate(ids) if len(one) > self.max_tokens]
        for k in long:
            ids[k] = self._tokenizer(
                self._prefix + texts[k], add_special_tokens=True, truncation=True, max_length=self.max_tokens
            )["input_ids"]
        return ids, len(long)

    def encode(self, token_ids: Sequence[Sequence[int]], done: Callable[[int], None]) -> list[Encoded]:
        """The states of each text, in the order given; ``done`` is told how many texts more are encoded."""
        torch = self._torch
        order = sorted(range(len(token_ids)), key=lambda k: -len(token_ids[k]))
        found: list[Encoded | None] = [None] * len(token_ids)
        for start in range(0, len(order), self._batch):
            chosen = order[start : start + self._batch]
            width = len(token_ids[chosen[0]])
            ids = torch.full((len(chosen), width), self._tokenizer.pad_token_id, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, k in enumerate(chosen):
                ids[row, : len(token_ids[k])] = torch.tensor(token_ids[k])
                mask[row, : len(token_ids[k])] = 1
            with torch.inference_mode():
                states = self._model(input_ids=ids.to(self.device), attention_mask=mask.to(self.device)).last_hidden_state
                states = torch.nn.functional.normalize(states.float(), dim=-1).cpu()
            for row, k in enumerate(chosen):
                n = len(token_ids[k])
                counts = torch.tensor([token not in self._ends for token in token_ids[k]])
                found[k] = Encoded(states[row, :n].clone(), counts)
            done(len(chosen))
        return found  # type: ignore[return-value]  # every place is filled


def _is_used(layer: int, model: Any, weight: str) -> bool:
    """Whether a weight takes part in the states after ``layer`` layers: neither the pooler nor the layers above do."""
    if "pooler." in weight:
        return False
    found = re.search(r"(?:^|\.)layer\.(\d+)\.", weight)
    return found is None or int(found[1]) < layer


def _keep_layers(model: Any, layer: int, folder: Path) -> None:
    """Drop the layers above ``layer``."""
    for owner, name in ((getattr(model, "encoder", None), "layer"), (getattr(model, "transformer", None), "layer")):
        layers = getattr(owner, name, None)
        if layers is None:
            continue
        if layer > len(layers):
            raise UsageError(f"layer {layer} was asked for, but the encoder in {folder} has {len(layers)}: give a smaller one")
        setattr(owner, name, layers[:layer])
        return
    raise UsageError(
        f"the model in {folder} ({type(model).__name__}) is not a BERT, DistilBERT, RoBERTa or DeBERTa: use such an encoder"
    )


def _longest(tokenizer: Any, config: Any) -> int:
    """Tokens that the model has positions for; RoBERTa's positions begin after the padding token's."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 512)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= tokenizer.pad_token_id + 1
    return min(positions, int(tokenizer.model_max_length))
