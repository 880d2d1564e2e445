"""Where the answer of a base model ends: such a model, done with one question, writes the next one in the prompt's own form."""

from __future__ import annotations

import re

from ehrbench.tasks.schema import PromptSpec

_BLOCK = re.compile(r"\{[%#].*?[%#]\}", re.DOTALL)
_SLOT = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_HEADING = re.compile(r"^[A-Z][A-Za-z ]{0,30}:", re.MULTILINE)
_ALWAYS = ("Question:",)


def base_model_stops(prompt: PromptSpec) -> tuple[str, ...]:
    """Stop strings for a model without a chat template: each heading of the prompt (``Question:``) at the start of a line.

    The heading that the prompt ends with is left out: it is the cue, and a model may repeat it before its answer.
    """
    texts = [_SLOT.sub("\0", _BLOCK.sub("", text)) for text in (prompt.system, prompt.user) if text]
    cue = texts[-1].rstrip().rpartition("\n")[2]
    headings = [found for text in texts for found in _HEADING.findall(text)]
    return tuple(f"\n{heading}" for heading in dict.fromkeys((*headings, *_ALWAYS)) if heading != cue)
