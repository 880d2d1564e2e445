"""Tokens that a checkpoint names outside its ``tokenizer.json``, added to the tokenizer as transformers adds them.

They stand in ``added_tokens.json``, in ``special_tokens_map.json``, and in ``tokenizer_config.json`` under
``added_tokens_decoder``, ``additional_special_tokens``, ``extra_special_tokens`` and every key that ends in ``_token``. Without
them a marker such as ``<|im_end|>`` falls into pieces, and the same text has other ids than those the model was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.models.hf.checkpoint import read_json

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_STANDARD = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""In the order in which transformers gives them ids where they have none."""


class NamedTokens(NamedTuple):
    """What a checkpoint's files name."""

    special: dict[str, str]
    """``bos_token``, ``eos_token``, ``image_token`` … to the token's text."""
    listed: list[Any]
    """``tokenizers.AddedToken`` of every token that is listed with its properties, in order of the ids written beside them."""
    further: list[Any]
    """Those of named and additional special tokens, in the files' order."""


def read_named_tokens(folder: Path) -> NamedTokens:
    """Read every place where a checkpoint may name tokens, with the precedence that transformers gives them.

    ``special_tokens_map.json`` and ``added_tokens.json`` are older files: they count only where ``tokenizer_config.json`` has no
    ``added_tokens_decoder``.

    Raises:
        UsageError: an entry is not a token.
    """
    values = dict(read_json(folder / "tokenizer_config.json"))
    decoder = values.pop("added_tokens_decoder", None)
    if isinstance(decoder, Mapping):
        listed = {int(number): _token(entry, folder) for number, entry in decoder.items()}
        named, further = _named(values), _further(values)
    else:
        values.update(read_json(folder / "special_tokens_map.json"))
        named, further = _named(values), _further(values)
        special = {_content(token) for token in (*named.values(), *further)}
        listed = {
            int(number): _token({"content": text, "normalized": text not in special, "special": text in special}, folder)
            for text, number in read_json(folder / "added_tokens.json").items()
        }
    return NamedTokens(
        {key: text for key, value in named.items() if (text := _content(value)) is not None},
        [listed[number] for number in sorted(listed)],
        [_token(token, folder, special=True) for token in (*named.values(), *further) if _content(token) is not None],
    )


def add_named_tokens(backend: Any, tokens: NamedTokens) -> list[str]:
    """Add tokens to a ``tokenizers.Tokenizer``: one that is in its vocabulary keeps its id, others get the next ones.

    Returns:
        What was added or has other properties than before, for the fingerprint; empty where ``tokenizer.json`` names all.
    """
    own = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    special = set(tokens.special.values())
    new: list[Any] = []
    for token in tokens.listed:
        if token.content not in own or _key(token) != _key(own[token.content]):
            new.append(token)
    known = {*own, *(token.content for token in tokens.listed)}
    for token in tokens.further:
        if token.content not in known:
            known.add(token.content)
            new.append(token)
    for token in new:
        token.special = token.special or token.content in special
    if new:
        backend.add_tokens(new)
    return [f"{_key(token)} {backend.token_to_id(token.content)}" for token in new]


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens with a name of their own: the standard ones first, then those of this model (``image_token``)."""
    extra = values.get("extra_special_tokens")
    own = {key: value for key, value in values.items() if key.endswith("_token") and key not in _STANDARD}
    return {
        **{key: values[key] for key in _STANDARD if values.get(key) is not None},
        **own,
        **(extra if isinstance(extra, Mapping) else {}),
    }


def _further(values: Mapping[str, Any]) -> list[Any]:
    """Special tokens without a name; ``additional_special_tokens`` is the older key of the two."""
    found = values.get("extra_special_tokens") or values.get("additional_special_tokens")
    return found if isinstance(found, list) else []


def _token(entry: Any, folder: Path, *, special: bool = False) -> Any:
    from tokenizers import AddedToken

    text = _content(entry)
    if text is None:
        raise UsageError(
            f"{folder / 'tokenizer_config.json'}: an entry of added_tokens_decoder is not a token; expected an object with a "
            "'content', so copy the file again"
        )
    flags = {name: bool(entry[name]) for name in _FLAGS if isinstance(entry, Mapping) and name in entry}
    return AddedToken(text, **{**flags, **({"special": True} if special else {})})


def _content(value: Any) -> str | None:
    text = value.get("content") if isinstance(value, Mapping) else value
    return text if isinstance(text, str) else None


def _key(token: Any) -> str:
    return repr([token.content, *(getattr(token, name) for name in _FLAGS)])
