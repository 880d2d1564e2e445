"""Tokens named outside ``tokenizer.json``: the same ids as transformers gives them, wherever a checkpoint names them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.hf.tokenizer import load_tokenizer
from tests.tiny.models import save_tokenizer

TEXTS = (
    "<|im_start|>user\nIs sodium low? <|im_end|>\n<|im_start|>assistant\n<tool> chest pain</tool><image> <|im_end|>",
    " <|im_end|> <|im_end|>x<|im_end|>",
    "<s>plain</s> <pad>[MASK]",
)

PLACES: dict[str, dict[str, Any]] = {
    "added_tokens.json": {"added_tokens.json": {"<tool>": 512, "<|im_end|>": 513}},
    "added_tokens.json, one of them special": {
        "added_tokens.json": {"<|im_end|>": 512, "<tool>": 513},
        "special_tokens_map.json": {"eos_token": "<|im_end|>"},
    },
    "added_tokens_decoder": {
        "tokenizer_config.json": {
            "added_tokens_decoder": {
                "513": {"content": "<tool>", "lstrip": False, "normalized": True, "rstrip": False, "special": False},
                "512": {"content": "<|im_end|>", "lstrip": True, "normalized": False, "rstrip": True, "special": True},
            },
            "eos_token": "<|im_end|>",
        },
        "special_tokens_map.json": {"bos_token": "<s>"},
        "added_tokens.json": {"<image>": 514},
    },
    "special_tokens_map.json": {
        "special_tokens_map.json": {
            "eos_token": {"content": "<|im_end|>", "lstrip": False, "normalized": False, "rstrip": True, "single_word": False},
            "pad_token": "<pad>",
            "additional_special_tokens": ["<tool>"],
        },
        "tokenizer_config.json": {"eos_token": "</s>", "bos_token": "<s>"},
    },
    "named in the configuration": {
        "tokenizer_config.json": {
            "pad_token": "<pad>",
            "image_token": "<image>",
            "eos_token": "<|im_end|>",
            "mask_token": "[MASK]",
        }
    },
    "additional_special_tokens": {"tokenizer_config.json": {"additional_special_tokens": ["<tool>", "</tool>", "<|im_start|>"]}},
    "extra_special_tokens, a list": {
        "tokenizer_config.json": {"extra_special_tokens": ["<tool>", "</tool>"], "additional_special_tokens": ["<image>"]}
    },
    "extra_special_tokens, by name": {
        "tokenizer_config.json": {"extra_special_tokens": {"image_token": "<image>", "tool": "<tool>"}}
    },
    "in the vocabulary, but not as a token of its own": {
        "tokenizer_config.json": {"sep_token": "ing", "eos_token": "<|im_end|>"}
    },
}


def checkpoint(folder: Path, files: dict[str, dict[str, Any]]) -> Path:
    """The ``chatml`` tokenizer without its special tokens, which ``files`` name instead."""
    save_tokenizer(folder, "chatml")
    data = json.loads((folder / "tokenizer.json").read_text())
    data["added_tokens"] = []
    data["model"]["vocab"] = {token: i for i, token in enumerate(t for t in data["model"]["vocab"] if not t.startswith("<|"))}
    (folder / "tokenizer.json").write_text(json.dumps(data))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    for name, content in files.items():
        base = {"tokenizer_class": "PreTrainedTokenizerFast"} if name == "tokenizer_config.json" else {}
        (folder / name).write_text(json.dumps({**base, **content}))
    return folder


@pytest.mark.hf
@pytest.mark.parametrize("place", PLACES)
def test_ids_equal_those_of_transformers(place: str, tmp_path: Path) -> None:
    import transformers

    folder = checkpoint(tmp_path / "m", PLACES[place])
    theirs, ours = transformers.AutoTokenizer.from_pretrained(folder), load_tokenizer(str(folder))
    for text in TEXTS:
        assert ours.ids(text) == theirs(text, add_special_tokens=False)["input_ids"]
        assert ours.ids(text, add_special_tokens=True) == theirs(text)["input_ids"]
        assert ours.count(text) == len(ours.encode(text).ids) == len(ours.ids(text))
    named = {key: value for key, value in ours.special_tokens.items() if key in theirs.special_tokens_map}
    assert named == theirs.special_tokens_map
    assert ours.decode(ours.ids(TEXTS[0])) == theirs.decode(ours.ids(TEXTS[0]), skip_special_tokens=True)


def test_a_named_token_is_one_id_and_part_of_the_fingerprint(tmp_path: Path) -> None:
    bare = load_tokenizer(str(checkpoint(tmp_path / "a", {})))
    named = load_tokenizer(str(checkpoint(tmp_path / "b", {"tokenizer_config.json": {"eos_token": "<|im_end|>"}})))
    assert len(bare.ids("<|im_end|>")) > 1 and bare.token_id("<|im_end|>") is None
    assert named.ids("<|im_end|>") == [named.token_id("<|im_end|>")]
    assert bare.fingerprint != named.fingerprint
    again = save_tokenizer(tmp_path / "c", "chatml")
    plain = hashlib.sha256((again / "tokenizer.json").read_bytes()).hexdigest()
    assert load_tokenizer(str(again)).fingerprint == plain, "nothing is added where tokenizer.json names all"


def test_what_is_not_a_token_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", {"tokenizer_config.json": {"added_tokens_decoder": {"3": {"lstrip": True}}}})
    with pytest.raises(UsageError, match="an entry of added_tokens_decoder is not a token"):
        load_tokenizer(str(folder))
