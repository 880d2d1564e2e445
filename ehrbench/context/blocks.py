"""A long text tokenised block by block: the same tokens as in one go, at twice the speed and without gigabytes in between.

Libraries build a table of every token's text and place before they hand out the ids: 140 bytes a character, and slower the longer
the text. Blocks overlap, and each takes over where it is in step with the one before.
"""

from __future__ import annotations

from ehrbench.context.joints import Run, in_step, run_of
from ehrbench.models.protocol import Tokenizer

BLOCK_CHARS = 100_000
_OVERLAP_CHARS = 2_000


def tokenise(text: str, tokenizer: Tokenizer, start: int = 0, *, block: int = BLOCK_CHARS, overlap: int = _OVERLAP_CHARS) -> Run:
    """The tokens of ``text[start:]``, their offsets those in ``text``.

    Args:
        text: what the offsets refer to.
        tokenizer: reads from left to right.
        start: where to begin; what stands before is not looked at.
        block: characters that are tokenised at a time.
        overlap: characters that two blocks share on each side of their border.
    """
    end = start + block
    if len(text) - start <= 2 * block:
        return run_of(tokenizer.encode(text[start:]), shift=start)
    run = run_of(tokenizer.encode(text[start : end + overlap]), shift=start)
    while end < len(text):
        begin = end - overlap
        piece = run_of(tokenizer.encode(text[begin : end + block + overlap]), shift=begin)
        found = in_step(text, piece, run, begin=begin, end=end)
        if found is None:
            # Characters by the thousand without the end of a word: no border can be trusted.
            return run_of(tokenizer.encode(text[start:]), shift=start)
        at, there = found
        del run.ids[there:], run.starts[there:]
        run.ids.extend(piece.ids[at:])
        run.starts.extend(piece.starts[at:])
        end += block
    return run
