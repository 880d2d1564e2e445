"""Tiny checkpoints with random weights, for tests: ``from tests.tiny.models import tiny_llama``. Needs torch and transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

TOKENIZERS = Path(__file__).resolve().parent / "tokenizers"
"""Saved tokenizers, a folder each: ``llama3``, ``chatml`` (thinking switch, no BOS), ``llama2`` (metaspace), ``wordpiece``;
``xlmr``, ``roberta`` and ``t5`` for the metrics' encoders."""

_EOS = {"llama3": ["<|eot_id|>", "<|end_of_text|>"], "chatml": ["<|im_end|>", "<|endoftext|>"], "llama2": ["</s>"]}


def tiny_llama(
    folder: Path,
    tokenizer: str = "llama3",
    context: int = 4096,
    seed: int = 0,
    *,
    dtype: str = "float32",
    chat_template: bool | str = True,
    eos_scale: float = 1.0,
) -> Path:
    """Write a two-layer Llama with seeded random weights (hidden size 64, two heads, 140k weights) and return its folder.

    The weights are large enough that greedy text varies with the prompt. The generation settings of the checkpoint ask for
    sampling, as those of real ones do, so that a backend that lets them through is found out.

    Args:
        folder: made where it does not exist.
        tokenizer: one of the saved tokenizers.
        context: ``max_position_embeddings``.
        seed: of the weights.
        dtype: of the saved weights.
        chat_template: False leaves it out (a base model); a text replaces it.
        eos_scale: factor on the end tokens' weights in the last layer; greater ends some answers sooner.
    """
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(folder, tokenizer, chat_template)
    ids = _ids(folder)
    config_tokens = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    eos = [ids[token] for token in _EOS[tokenizer]]
    bos = ids.get(config_tokens.get("bos_token", ""))
    pad = ids.get(config_tokens.get("pad_token", ""))
    config = LlamaConfig(
        vocab_size=max(ids.values()) + 1,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=context,
        rope_theta=10_000.0,
        tie_word_embeddings=False,
        bos_token_id=bos,
        eos_token_id=eos[0],
        pad_token_id=pad,
    )
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                scale = 1.0 if "embed_tokens" in name else 2.0 * weight.shape[1] ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
        model.lm_head.weight[eos] *= eos_scale
    model.generation_config = GenerationConfig(
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=pad,
        do_sample=True,
        temperature=0.6,
        top_p=0.9,
        top_k=20,
        repetition_penalty=1.3,
    )
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path, tokenizer: str = "llama3", chat_template: bool | str = True) -> Path:
    """Copy one of the saved tokenizers into a folder; needs neither torch nor transformers."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (TOKENIZERS / tokenizer).iterdir():
        shutil.copyfile(path, folder / path.name)
    path = folder / "tokenizer_config.json"
    config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if chat_template is False:
        config.pop("chat_template", None)
    elif isinstance(chat_template, str):
        config["chat_template"] = chat_template
    path.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return folder


def _ids(folder: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    ids: dict[str, int] = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return ids
