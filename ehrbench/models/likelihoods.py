"""The tokens of which a log-likelihood is the sum, by lm-eval's rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ehrbench.models.hf.tokenizer import HFTokenizer


class Scored(NamedTuple):
    """Tokens of which the last ones are scored."""

    before: Sequence[int]
    """At least one token."""
    scored: Sequence[int]


def tokens_of(tokenizer: HFTokenizer, texts: Sequence[str], window: int | None) -> list[Scored]:
    """One text of a request as tokens, by lm-eval's rules.

    A pair is tokenised as one text, white space at the context's end counting to the continuation, and cut where the context's
    tokens end. An empty context is the token that begins (else ends) a text. A whole text, with what its tokenizer puts before
    it, is cut into windows, of which each scores what no other has scored, after as much of the text before it as there is
    room for.

    Args:
        tokenizer: the model's.
        texts: a pair, or one text.
        window: tokens of the model's window; a pair that exceeds it is the caller's question.
    """
    first = _prefix(tokenizer)
    if len(texts) == 1:
        return _windows(tokenizer.ids(texts[0], add_special_tokens=True), first, window)
    context, continuation = texts
    if not context:
        ids = tokenizer.ids(continuation)
        return [Scored(ids[:1], ids[1:]) if ids[:1] == [first] else Scored([first], ids)]
    stripped = context.rstrip()
    continuation = context[len(stripped) :] + continuation
    before = tokenizer.ids(stripped, add_special_tokens=True)
    return [Scored(before, tokenizer.ids(stripped + continuation, add_special_tokens=True)[len(before) :])]


def _prefix(tokenizer: HFTokenizer) -> int:
    for key in ("bos_token", "eos_token"):
        token = tokenizer.special_tokens.get(key)
        if token is not None and (number := tokenizer.token_id(token)) is not None:
            return number
    raise ValueError("the tokenizer has no token that begins or ends a text")


def _windows(ids: Sequence[int], first: int, window: int | None) -> list[Scored]:
    size = len(ids) if window is None else window
    if not ids:
        return []
    found = [Scored([first], ids[:size])]
    done = min(size, len(ids))
    while done < len(ids):
        end = min(done + size, len(ids))
        found.append(Scored(ids[max(0, end - size - 1) : done], ids[done:end]))
        done = end
    return found
