from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import MissingError
from ehrbench.models import Tokenizer
from ehrbench.models.hf_tokenizer import load_tokenizer


def test_missing_files_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(MissingError, match=r"no tokenizer\.json in .*save_pretrained"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(MissingError, match="no checkpoint folder"):
        load_tokenizer(str(tmp_path / "nowhere"))
    with pytest.raises(MissingError, match=r"hf download some-org/some-model"):
        load_tokenizer("some-org/some-model")


def test_word_level_offsets(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    backend = Backend(WordLevel({"[UNK]": 0, "sodium": 1, "low": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    backend.enable_truncation(2)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(str(tmp_path))
    assert isinstance(tokenizer, Tokenizer)
    assert tokenizer.encode("  low sodium é low") == ([2, 1, 0, 2], [0, 6, 13, 15])
    assert tokenizer.count("low sodium low") == 3
    assert len(tokenizer.fingerprint) == 64
