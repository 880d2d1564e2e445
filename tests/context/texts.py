"""Texts and tokenizers that the tests of this folder share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from ehrbench.models.hf.tokenizer import load_tokenizer
from ehrbench.models.protocol import Tokenizer
from ehrbench.models.words import WordTokenizer

TOKENIZERS = ("llama3", "chatml", "llama2", "wordpiece", "words")
"""Byte-level BPE with and without a normaliser, metaspace without a pre-tokenizer, WordPiece, words."""

FRAGMENTS = (
    '<note date="2150-03-01">The patient was admitted with acute chest pain.</note>\n',
    "2150-03-01 07:00 | labevents | Sodium 128 mmol/L, creatinine 1.7 mg/dL\n",
    "denies shortness of breath ",
    "{{ record }} {% if x %} {0} %s \\1 <|eot_id|> </s> <think>",
    "naïve café cafe\u0301 37.2 °C 🩺👩\u200d⚕️ ",
    "患者今日入院，诊断为肺炎。血压偏高；",
    "\n",
    "\r\n",
    " ",
    "\t",
    "-",
    "=-",
    "a",
    "7",
    "\u0301",
    "\ud83d",
    "🩺",
    "▁",
    "\u3000",
    "Ġ",
    "'s",
    "\u2028",
)


@cache
def tokenizer(name: str) -> Tokenizer:
    if name == "words":
        return WordTokenizer()
    return load_tokenizer(str(Path(__file__).parent.parent / "tiny" / "tokenizers" / name))


def texts(max_pieces: int = 8, max_repeat: int = 60) -> st.SearchStrategy[str]:
    """Long and short stretches of record lines and of what tokenizers stumble over."""
    piece = st.tuples(st.sampled_from(FRAGMENTS) | st.text(max_size=12), st.integers(1, max_repeat)).map(lambda p: p[0] * p[1])
    return st.lists(piece, max_size=max_pieces).map("".join)
