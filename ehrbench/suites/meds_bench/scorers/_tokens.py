"""The tokenisers of MedS-Bench's text metrics, by name; each is opened once and only when it is asked for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Literal

from ehrbench.metrics._treebank import english_words

Tokenizer = Literal["nltk-3.8", "jieba", "janome", "words", "words-jieba", "words-janome"]
Tokenize = Callable[[str], list[str]]

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Runs of letters and digits of any script, in lower case: an apostrophe parts words ("l'acide"), marks are left out."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


@lru_cache(maxsize=1)
def _jieba() -> Tokenize:
    """Chinese words, jieba's accurate mode with its hidden Markov model."""
    import logging

    import jieba

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # What ``initialize`` does, without the cache that it reads from and writes to the shared temporary folder.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    cut: Tokenize = tokenizer.lcut
    return cut


@lru_cache(maxsize=1)
def _janome() -> Tokenize:
    """Japanese surface forms with janome's own dictionary."""
    from janome.tokenizer import Tokenizer

    tokenize = Tokenizer(wakati=True).tokenize
    return lambda text: [str(token) for token in tokenize(text)]  # with wakati each token is its surface form


def _only_words(text: str, tokenize: Tokenize) -> list[str]:
    return [word for token in tokenize(text) for word in words(token)]


def tokenizer(name: Tokenizer) -> Tokenize:
    """Return the function from a text to its tokens; ``words-…`` keeps the words of another's tokens, without marks."""
    if name == "words":
        return words
    if name.startswith("words-"):
        return partial(_only_words, tokenize=_jieba() if name == "words-jieba" else _janome())
    if name == "jieba":
        return _jieba()
    return _janome() if name == "janome" else english_words()


def missing(name: Tokenizer) -> str | None:
    """Why a tokeniser cannot be used here, in one sentence with the next step; None when it can."""
    for module, language in (("jieba", "Chinese"), ("janome", "Japanese")):
        if name.endswith(module) and find_spec(module) is None:
            return f"{language} words need {module}, which is not installed: pip install 'ehrbench[meds-bench]'"
    return None


def library(name: Tokenizer) -> tuple[str, ...]:
    """The distribution whose version belongs to the number."""
    return (name.removeprefix("words-"),) if name.endswith(("jieba", "janome")) else ()
