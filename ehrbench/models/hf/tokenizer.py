"""A checkpoint's own tokenizer, on the ``tokenizers`` library alone: no torch and no transformers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data
from ehrbench.models.hf.added_tokens import add_named_tokens, read_named_tokens
from ehrbench.models.hf.checkpoint import read_json, resolve
from ehrbench.models.hf.weight_files import is_git_lfs_pointer
from ehrbench.models.protocol import Tokens

_SURROGATE = re.compile("[\ud800-\udfff]")
_TRIMMED = re.compile(rb'("trim_offsets"\s*:\s*)true')


@dataclass(eq=False)
class HFTokenizer:
    """A ``Tokenizer`` made from a ``tokenizer.json``."""

    name: str
    """The last part of the folder or hub id."""
    fingerprint: str
    """SHA-256 of ``tokenizer.json``, and of the tokens that other files add to it."""
    folder: Path
    config: Mapping[str, Any]
    """``tokenizer_config.json``; empty where there is none."""
    chat_templates: Mapping[str, str]
    """Jinja sources by name; most checkpoints have one, ``default``, or none."""
    special_tokens: Mapping[str, str]
    """The named special tokens: ``bos_token``, ``eos_token``, ``pad_token`` …"""
    backend: Any = field(repr=False)
    """The ``tokenizers.Tokenizer``; truncation and padding are off."""

    @property
    def chat_template(self) -> str | None:
        """The Jinja source of the chat template, or None."""
        return self.chat_templates.get("default")

    @property
    def added_tokens(self) -> list[str]:
        """The texts of the tokens that are matched whole before anything else."""
        return [token.content for token in self.backend.get_added_tokens_decoder().values()]

    def encode(self, text: str) -> Tokens:
        """Tokenise a text without adding special tokens.

        Returns:
            Token ids, and for each the offset of the first character it stands for. The first offset is 0 and offsets never
            decrease; tokens that share a character share its offset; characters that no token stands for (white space of a
            WordPiece tokenizer, accents that are normalised away) belong to the token before them.
        """
        encoding = self.backend.encode(_valid(text), add_special_tokens=False)
        starts = [start for start, _ in encoding.offsets]
        if starts != sorted(starts):
            starts = list(accumulate(starts, max))
        if starts:
            starts[0] = 0
        return Tokens(encoding.ids, starts)

    def ids(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        """Token ids alone, which is faster; ``add_special_tokens`` applies the tokenizer's own rule (its post-processor)."""
        batch = getattr(self.backend, "encode_batch_fast", self.backend.encode_batch)
        ids: list[int] = batch([_valid(text)], add_special_tokens=add_special_tokens)[0].ids
        return ids

    def count(self, text: str) -> int:
        """How many tokens a text has, special tokens not added."""
        return len(self.ids(text))

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of token ids."""
        text: str = self.backend.decode(list(ids), skip_special_tokens=skip_special_tokens)
        return text

    def without_special_tokens(self, text: str) -> str:
        """A decoded text with the special tokens' own texts taken out."""
        return self._special_pattern.sub("", text) if self._special_pattern.pattern else text

    @cached_property
    def _special_pattern(self) -> re.Pattern[str]:
        special = [token.content for token in self.backend.get_added_tokens_decoder().values() if token.special]
        return re.compile("|".join(re.escape(token) for token in sorted(special, key=len, reverse=True)))

    def token_id(self, token: str) -> int | None:
        """The id of one token as it stands in the vocabulary, or None."""
        number: int | None = self.backend.token_to_id(token)
        return number


def load_tokenizer(path_or_id: str, revision: str | None = None) -> HFTokenizer:
    """Load the tokenizer of a checkpoint.

    Args:
        path_or_id: a folder with a ``tokenizer.json``, that file itself, or a hub id in the local hub cache; never downloaded.
        revision: of a hub id.

    Raises:
        MissingError: no such checkpoint, or it has no ``tokenizer.json``.
        UsageError: a file of it cannot be read.
    """
    given = Path(path_or_id).expanduser()
    folder = given.parent if given.name == "tokenizer.json" and given.is_file() else resolve(path_or_id, revision)
    name = folder.resolve().name if given.exists() else path_or_id.rsplit("/", 1)[-1]
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise MissingError(
            f"no tokenizer.json in {folder}: where only a sentencepiece or tiktoken file is there, make one with transformers: "
            f"AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    content = path.read_bytes()
    if is_git_lfs_pointer(content):
        raise MissingError(f"{path} is a Git LFS pointer, not the tokenizer: run `git lfs pull` in the repository it came from")
    config = read_json(folder / "tokenizer_config.json")
    backend = _backend(path, content)
    named = read_named_tokens(folder)
    added = add_named_tokens(backend, named)
    digest = hashlib.sha256(content).hexdigest()
    return HFTokenizer(
        name=name,
        fingerprint=hash_data([digest, added]) if added else digest,
        folder=folder,
        config=config,
        chat_templates=_chat_templates(folder, config),
        special_tokens=named.special,
        backend=backend,
    )


def _backend(path: Path, content: bytes) -> Any:
    from tokenizers import Tokenizer

    # Byte-level post-processors leave the white space at a token's edge out of its offsets; cutting a text there would lose it.
    content = _TRIMMED.sub(rb"\1false", content)
    try:
        tokenizer = Tokenizer.from_buffer(content)
    except Exception as error:  # the library raises bare Exception
        raise UsageError(
            f"cannot read {path}: {str(error)[:200]}; expected the file that transformers saves, so copy it again or update the "
            f"tokenizers package"
        ) from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _chat_templates(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    templates: dict[str, str] = {}
    for source in (read_json(folder / "chat_template.json").get("chat_template"), config.get("chat_template")):
        if isinstance(source, str):
            templates["default"] = source
        elif isinstance(source, list):
            templates.update({str(entry["name"]): str(entry["template"]) for entry in source})
        elif isinstance(source, dict):
            templates.update({str(name): str(template) for name, template in source.items()})
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        templates[path.stem] = path.read_text("utf-8")
    if (path := folder / "chat_template.jinja").is_file():
        templates["default"] = path.read_text("utf-8")
    return templates


def _valid(text: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8; the replacement keeps every character's offset.
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
