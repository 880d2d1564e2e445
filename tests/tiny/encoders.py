"""Tiny encoders with random weights, for the metrics that need a network: ``from tests.tiny.encoders import tiny_distilbert``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny.models import save_tokenizer


def tiny_distilbert(folder: Path, layers: int = 6, positions: int = 512, seed: int = 0) -> Path:
    """Write a DistilBERT of hidden size 32 with the saved WordPiece tokenizer and return its folder."""
    from transformers import DistilBertConfig, DistilBertModel

    save_tokenizer(folder, "wordpiece")
    config = DistilBertConfig(
        vocab_size=400, dim=32, hidden_dim=64, n_layers=layers, n_heads=2, max_position_embeddings=positions, pad_token_id=0
    )
    model = DistilBertModel(config)
    randomise(model, seed)
    model.save_pretrained(folder)
    return folder


def randomise(model: Any, seed: int) -> None:
    """Give a model seeded weights that are large enough for its outputs to differ between texts."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                scale = 1.0 if "embed" in name else 1.5 * weight.shape[-1] ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
