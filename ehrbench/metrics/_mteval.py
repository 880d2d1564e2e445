"""The 13a tokenizer of mteval-v13a, as sacrebleu has it, applied word by word."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ehrbench.metrics._texts import Memo, word_encoder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def encoder_13a() -> Callable[[str], npt.NDArray[np.int32]]:
    """Return a function from a text to the ids of its 13a tokens, equal for equal tokens.

    None of the 13a rules looks past white space except the one that joins a word broken by a hyphen at a line's end, so a
    word's tokens are found once, by sacrebleu itself.
    """
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    split: Callable[[str], str] = TokenizerRegexp()  # type: ignore[no-untyped-call]

    def split_word(word: str) -> list[str]:
        if word.isalnum():
            return [word]
        if word[-1] in ".," and word[:-1].isalpha():
            return [word[:-1], word[-1]]
        return split(f" {word} ").split()

    ids = word_encoder(split_word)
    return Memo(lambda text: ids(_clean(text))).__getitem__


def _clean(text: str) -> str:
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        text = text.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return text
