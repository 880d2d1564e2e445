"""From generated tokens to a response, the same way for every engine that runs in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ehrbench.models.hf.chat import Chat
from ehrbench.models.protocol import Finish, Request, Tokenizer
from ehrbench.models.thinking import split

_MARKER = 32
"""Tokens among which the end of the thinking is found whole; Harmony's is several tokens long."""


class Answer(NamedTuple):
    """What became of one request's tokens; the fields are those of ``Response``."""

    text: str
    finish: Finish
    reasoning: str | None
    answer_tokens: int
    reasoning_tokens: int


def token_limit(chat: Chat, request: Request) -> int:
    """Most tokens that a request may generate: the answer's, and the thinking's where the model thinks."""
    return request.max_tokens + (request.max_reasoning_tokens if chat.thinks else 0)


def read_answer(chat: Chat, request: Request, ids: Sequence[int], *, ended: bool, opened: bool) -> Answer:
    """Decode generated tokens, take the thinking out, and apply the request's stop strings and limit to the answer proper.

    Args:
        chat: how the prompt was made.
        request: what was asked.
        ids: the generated tokens, without the one that ended them.
        ended: an end token was generated.
        opened: the prompt ended inside a block of thinking.
    """
    total = len(ids) + ended
    # Some models mark their thinking with special tokens, so these are taken out only after the split.
    raw = chat.tokenizer.decode(ids, skip_special_tokens=False)
    answer, reasoning, closed = split(raw, opened=opened, tags=chat.tags)
    if not closed:
        return Answer("", "reasoning_length", _clean(chat, reasoning), 0, total)
    thought = answer != raw
    answer = chat.tokenizer.without_special_tokens(answer) if thought else chat.tokenizer.decode(ids)
    answer, stopped = cut_at_stop(answer, request.stop)
    answer, cut = cap_answer(answer, request.max_tokens, chat.tokenizer) if thought else (answer, False)
    finish: Finish = "length" if cut or not (stopped or ended) else "stop"
    if reasoning is None:
        return Answer(answer, finish, None, total, 0)
    answer_tokens = min(total, chat.tokenizer.count(answer))
    return Answer(answer, finish, _clean(chat, reasoning), answer_tokens, total - answer_tokens)


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string, and whether there was one."""
    places = [place for word in stop if word and (place := text.find(word)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def stop_rule(chat: Chat, stop: Sequence[str]) -> Callable[[list[int]], bool]:
    """A rule that ends a row once its answer proper holds a stop string; thinking may hold them.

    The rule is asked after every token of one row, with all its tokens so far.
    """
    reach = max(len(word.encode("utf-8", "surrogatepass")) for word in stop) + 8
    decode = chat.tokenizer.decode
    mark: int | None = None

    def finished(ids: list[int]) -> bool:
        nonlocal mark
        if not chat.thinks:
            return cut_at_stop(decode(ids[-reach:]), stop)[1]
        if mark is None:
            # The thinking is long: until it ends, only its last tokens are looked at.
            if not split(decode(ids[-_MARKER:], skip_special_tokens=False), opened=True, tags=chat.tags).closed:
                return False
            mark = max(0, len(ids) - _MARKER)
        found = split(decode(ids[mark:], skip_special_tokens=False), opened=True, tags=chat.tags)
        return found.closed and cut_at_stop(found.answer, stop)[1]

    return finished


def cap_answer(answer: str, max_tokens: int, tokenizer: Tokenizer) -> tuple[str, bool]:
    """The first ``max_tokens`` tokens of an answer, and whether that shortened it.

    A model that thinks is given tokens for both; what its thinking did not use is not the answer's to spend.
    """
    starts = tokenizer.encode(answer).starts
    return (answer[: starts[max_tokens]], True) if len(starts) > max_tokens else (answer, False)


def _clean(chat: Chat, reasoning: str | None) -> str | None:
    return None if reasoning is None else chat.tokenizer.without_special_tokens(reasoning).strip() or None
