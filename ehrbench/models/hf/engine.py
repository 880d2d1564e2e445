"""The part of the ``hf`` backend that knows torch: loading a causal language model and running one padded batch through it.

Padding stands on the left, so that every row's next token is in the last column; the attention mask and the positions leave it
out. A row's result then does not depend on the rows beside it, up to the rounding of the arithmetic: in float32 answers are the
same for every batch size; in bfloat16 two tokens of almost equal score may change places when the batch changes, on any engine.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.models.hf.coverage import load_whole
from ehrbench.models.hf.rows import Generated, Row


class LoadOptions(NamedTuple):
    """How the weights are loaded."""

    dtype: str = "auto"
    """``auto`` takes the checkpoint's own."""
    device: str = "auto"
    """``auto`` is the first GPU where there is one, else the processor."""
    device_map: str | None = None
    """``auto`` spreads the layers over all GPUs (needs accelerate)."""
    attn_implementation: str | None = None
    trust_remote_code: bool = False


class Engine:
    """A loaded model."""

    def __init__(self, folder: Path, options: LoadOptions, eos: Sequence[int], pad: int) -> None:
        """Load the weights.

        Args:
            folder: the checkpoint.
            options: how.
            eos: tokens that end an answer, beside those of the checkpoint's generation settings.
            pad: any token; it is masked.

        Raises:
            UsageError: transformers cannot load the checkpoint as it was asked to.
        """
        import torch

        _quiet()
        self.device = torch.device(options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu")
        self.model = _load(folder, options)
        if options.device_map is None:
            self.model.to(self.device)
        else:
            self.device = self.model.device
        self.model.eval()
        self.eos = sorted({*eos, *_eos_ids(self.model)})
        self.pad = pad
        self.model.generation_config = _plain_generation(self.eos, pad)
        parameters = inspect.signature(self.model.forward).parameters
        self._keeps_logits = "logits_to_keep" in parameters
        self._takes_positions = "position_ids" in parameters

    def generate(self, rows: Sequence[Row]) -> list[Generated]:
        """Generate for a batch; greedy rows and sampled rows may be mixed.

        Raises:
            torch.OutOfMemoryError: the batch does not fit.
        """
        import torch

        from ehrbench.models.hf.steps import Draw, Until, Watch

        ids, mask = self._padded([row.ids for row in rows])
        width = ids.shape[1]
        until = Until(rows, width, self.device)
        watch = Watch(rows, width, self.device)
        draw = [Draw(rows, width, self.device)] if any(row.temperature > 0 for row in rows) else []
        with torch.inference_mode():
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=max(row.max_tokens for row in rows),
                logits_processor=[watch, *draw],
                stopping_criteria=[until],
            )
        eos = set(self.eos)
        found = []
        for row, tokens, end, broken in zip(rows, out[:, width:].tolist(), until.ends(), watch.first_steps(), strict=True):
            tokens = tokens[: min(row.max_tokens, end)]
            place = next((i for i, token in enumerate(tokens) if token in eos), None)
            finite = broken > (len(tokens) - 1 if place is None else place)
            found.append(Generated(tokens[:place], ended=place is not None, finite=finite))
        return found

    def first_log_probabilities(self, prompts: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> list[list[float]]:
        """Log-probabilities, over the whole vocabulary, of some tokens as the first after each prompt."""
        import torch

        ids, mask = self._padded(prompts)
        with torch.inference_mode():
            scores = self._logits(ids, mask, 1)[:, -1].float().log_softmax(-1)
            width = max(len(tokens) for tokens in wanted)
            index = torch.tensor([[*tokens, *([0] * (width - len(tokens)))] for tokens in wanted], device=scores.device)
            values = scores.gather(1, index).tolist()
        return [row[: len(tokens)] for row, tokens in zip(values, wanted, strict=True)]

    def sequence_log_probabilities(self, prompts: Sequence[Sequence[int]], endings: Sequence[Sequence[int]]) -> list[float]:
        """Log-probability of each ending after its prompt: the sum over the ending's tokens."""
        import torch

        ids, mask = self._padded([[*prompt, *ending] for prompt, ending in zip(prompts, endings, strict=True)])
        longest = max(len(ending) for ending in endings)
        with torch.inference_mode():
            scores = self._logits(ids, mask, longest + 1)[:, -longest - 1 : -1].float().log_softmax(-1)
            each = scores.gather(2, ids[:, -longest:, None]).squeeze(2)
        return [float(row[longest - len(ending) :].sum()) for row, ending in zip(each.double().cpu(), endings, strict=True)]

    def score_endings(self, prompts: Sequence[Sequence[int]], endings: Sequence[Sequence[int]]) -> list[tuple[float, bool]]:
        """Log-probability of each ending after its prompt, and whether greedy decoding would have written it."""
        import torch

        ids, mask = self._padded([[*prompt, *ending] for prompt, ending in zip(prompts, endings, strict=True)])
        longest = max(len(ending) for ending in endings)
        with torch.inference_mode():
            scores = self._logits(ids, mask, longest + 1)[:, -longest - 1 : -1].float().log_softmax(-1)
            wanted = ids[:, -longest:]
            each = scores.gather(2, wanted[..., None]).squeeze(2).double().cpu()
            best = (scores.argmax(-1) == wanted).cpu()
        return [
            (float(row[longest - len(ending) :].sum()), bool(hit[longest - len(ending) :].all()))
            for row, hit, ending in zip(each, best, endings, strict=True)
        ]

    def _logits(self, ids: Any, mask: Any, keep: int) -> Any:
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
        if self._takes_positions:
            arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        if self._keeps_logits:
            arguments["logits_to_keep"] = keep
        return self.model(**arguments).logits

    def _padded(self, prompts: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        import torch

        width = max(len(prompt) for prompt in prompts)
        ids = np.full((len(prompts), width), self.pad, dtype=np.int64)
        mask = np.zeros((len(prompts), width), dtype=np.int64)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = prompt
            mask[row, width - len(prompt) :] = 1
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(mask).to(self.device)

    def batch_tokens(self) -> int:
        """Tokens, prompt and answer together, that a batch may hold: an estimate from the free memory, to start from."""
        import torch

        if self.device.type != "cuda":
            return 8_192
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        per_token = 2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize
        free, _ = torch.cuda.mem_get_info(self.device)
        # The prompt's activations need memory beside the cache; above this limit a larger batch is no faster anyway.
        return max(4_096, min(131_072, int(free * 0.6 / per_token)))


def _load(folder: Path, options: LoadOptions) -> Any:
    import torch

    transformers: Any = import_module("transformers")
    dtype = options.dtype if options.dtype == "auto" else getattr(torch, options.dtype)
    extra: dict[str, Any] = {}
    if options.attn_implementation:
        extra["attn_implementation"] = options.attn_implementation
    if options.device_map:
        extra["device_map"] = options.device_map
    try:
        return load_whole(
            transformers.AutoModelForCausalLM, folder, dtype=dtype, trust_remote_code=options.trust_remote_code, **extra
        )
    except EhrbenchError:
        raise
    except torch.OutOfMemoryError:
        raise UsageError(
            f"the weights in {folder} do not fit on {options.device}: use device_map=auto, or a smaller model"
        ) from None
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise UsageError(
            f"transformers {transformers.__version__} cannot load {folder}: {reason}; update transformers, or correct the named "
            "file or --model-arg (a checkpoint with code of its own needs trust_remote_code=on, once you have read that code)"
        ) from None


def _eos_ids(model: Any) -> list[int]:
    for config in (model.generation_config, model.config):
        ids = getattr(config, "eos_token_id", None)
        if ids is not None:
            return [int(ids)] if isinstance(ids, int) else [int(token) for token in ids]
    return []


def _plain_generation(eos: Sequence[int], pad: int) -> Any:
    """Greedy search and nothing else: the checkpoint's own temperature, penalties and limits must not leak into an evaluation."""
    transformers: Any = import_module("transformers")
    return transformers.GenerationConfig(
        do_sample=False, num_beams=1, eos_token_id=list(eos) or None, pad_token_id=pad, use_cache=True
    )


def _quiet() -> None:
    logging: Any = import_module("transformers.utils.logging")
    # Its warnings may quote what it is given, and its progress bars tear ours.
    logging.set_verbosity_error()
    logging.disable_progress_bar()
