from __future__ import annotations

import json
import time
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import MissingError, UsageError
from ehrbench.models import Tokenizer
from ehrbench.models.hf.tokenizer import HFTokenizer, load_tokenizer
from tests.tiny.models import TOKENIZERS, save_tokenizer


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


TINY = ("llama3", "chatml", "llama2", "wordpiece")
_TEXT = st.lists(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from([*"  \n\t.abcé日👩\u200d\u0301\u00a0▁Ġ", "the patient ", "<|eot_id|>", "</s>", "<think>"]),
    ),
    max_size=40,
).map("".join)


@cache
def tiny(name: str) -> HFTokenizer:
    return load_tokenizer(str(TOKENIZERS / name))


@pytest.mark.parametrize("name", TINY)
@given(_TEXT)
def test_offsets_cover_the_text_in_order(name: str, text: str) -> None:
    ids, starts = tiny(name).encode(text)
    assert len(ids) == len(starts) == tiny(name).count(text)
    assert list(starts) == sorted(starts)
    if ids:
        assert starts[0] == 0
        assert starts[-1] < len(text)
        bounds = [*starts, len(text)]
        assert "".join(text[a:b] for a, b in pairwise(bounds)) == text


@pytest.mark.parametrize("name", ["llama3", "chatml", "llama2"])
@given(_TEXT)
def test_a_suffix_that_starts_at_a_token_keeps_its_characters(name: str, text: str) -> None:
    """What is cut at a token's start decodes to that suffix: no character is lost at the edge (spec 2.3, requirement 2)."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8")).replace("▁", "_")
    text = text.replace("</s>", "")  # Llama 2's decoder writes a space after it
    tokenizer = tiny(name)
    for start in set(tokenizer.encode(text).starts):
        suffix = text[start:]
        assert tokenizer.decode(tokenizer.encode(suffix).ids, skip_special_tokens=False) == suffix


@pytest.mark.parametrize("name", ["llama3", "chatml"])
@given(
    st.lists(st.sampled_from(["The patient", " denies", " café", "\n\n", " 128", " mmol/L.", "<|eot_id|>", "日本"]), max_size=12)
)
def test_a_suffix_tokenises_as_it_did_in_the_whole(name: str, parts: list[str]) -> None:
    """Cutting before a word (a token that begins with a space) leaves the tokens behind it as they were."""
    text = "".join(parts)
    ids, starts = tiny(name).encode(text)
    for i, start in enumerate(starts):
        if text[start] == " " and text[start - 1 : start].isalpha():
            assert tiny(name).encode(text[start:]).ids == ids[i:]


@pytest.mark.parametrize(
    ("name", "text", "starts"),
    [
        ("llama3", "The café 日", [0, 3, 5, 7, 7, 8, 9, 9, 9]),  # The, Ġc, af, two bytes of é, Ġ, three bytes of 日
        ("llama2", "The é<0x41>", None),
        ("wordpiece", "  THE  Café ", [0, 7]),
        ("llama2", "", []),
    ],
)
def test_known_offsets(name: str, text: str, starts: list[int] | None) -> None:
    found = tiny(name).encode(text)
    if starts is not None:
        assert list(found.starts) == starts
    assert not set(found.ids) & {tiny(name).token_id(token) for token in tiny(name).special_tokens.values() if token != "<unk>"}


def test_markers_are_one_token_and_nothing_is_added() -> None:
    tokenizer = tiny("llama3")
    assert tokenizer.encode("<|eot_id|>yes").ids[0] == tokenizer.token_id("<|eot_id|>")
    assert tokenizer.ids("yes") == tokenizer.encode("yes").ids
    assert tokenizer.ids("yes", add_special_tokens=True) == [tokenizer.token_id("<|begin_of_text|>"), *tokenizer.ids("yes")]


def test_half_a_surrogate_pair_keeps_offsets() -> None:
    assert list(tiny("llama3").encode("a\ud800b").starts) == [0, 1, 1, 1, 2]


def test_long_text_is_linear() -> None:
    text = "The patient denies shortness of breath. " * 20_000
    began = time.perf_counter()
    found = tiny("llama3").encode(text)
    assert time.perf_counter() - began < 10
    assert len(found.ids) == tiny("llama3").count(text)


def test_special_tokens_and_templates_come_from_all_their_places(tmp_path: Path) -> None:
    folder = save_tokenizer(tmp_path / "m", "llama2", "from the config")
    assert load_tokenizer(str(folder)).chat_template == "from the config"
    assert load_tokenizer(str(folder)).special_tokens["bos_token"] == "<s>"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": "default", "template": "one"}, {"name": "tool_use", "template": "two"}]
    config["bos_token"] = {"content": "<s>", "lstrip": False}
    del config["eos_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "</s>"}, "bos_token": "<unk>"}))
    loaded = load_tokenizer(str(folder / "tokenizer.json"))
    assert loaded.name == "m"
    assert loaded.chat_templates == {"default": "one", "tool_use": "two"}
    assert (loaded.special_tokens["bos_token"], loaded.special_tokens["eos_token"]) == ("<unk>", "</s>")
    (folder / "chat_template.jinja").write_text("file wins")
    assert load_tokenizer(str(folder)).chat_template == "file wins"


def test_hub_ids_come_from_the_local_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository = tmp_path / "hub" / "models--org--tiny"
    save_tokenizer(repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    assert load_tokenizer("org/tiny").name == "tiny"
    assert load_tokenizer("org/tiny", "abc123").fingerprint == tiny("llama3").fingerprint
    with pytest.raises(MissingError, match="at revision 'v2'"):
        load_tokenizer("org/tiny", "v2")


@pytest.mark.parametrize(
    ("file", "content"), [("tokenizer.json", "{"), ("tokenizer.json", "{}"), ("tokenizer_config.json", "[]")]
)
def test_broken_files_are_one_sentence(tmp_path: Path, file: str, content: str) -> None:
    folder = save_tokenizer(tmp_path / "m")
    (folder / file).write_text(content)
    with pytest.raises(UsageError, match=rf"cannot read .*{file}.*copy (it|the file) again"):
        load_tokenizer(str(folder))
