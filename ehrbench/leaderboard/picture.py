"""A picture of the overview for links elsewhere: a PNG of 1,200 by 630 pixels, drawn here so that builds give the same bytes."""

from __future__ import annotations

import re
import struct
import zlib
from functools import lru_cache
from html import unescape

import numpy as np
import numpy.typing as npt

from ehrbench.assets import asset_dir

WIDE, HIGH = 1200, 630
_GROUND, _INK, _SOFT, _ACCENT = (253, 253, 251), (28, 29, 31), (90, 93, 99), (11, 92, 138)
_MAX_BOARDS = 5
_UNKNOWN = bytes.fromhex("1f11111111111f")
Image = npt.NDArray[np.uint8]


def overview_picture(page: str, title: str) -> bytes:
    """Draw the title, and for the first suites who leads and the dots and intervals of the chart."""
    image = np.full((HIGH, WIDE, 3), _GROUND, np.uint8)
    _write(image, 60, 46, title[:40], 6, _INK)
    counts = re.search(r'<p class="counts">(.*?)</p>', page, re.S)
    _write(image, 60, 106, _plain(counts.group(1))[:70] if counts else "", 3, _SOFT)
    cards = re.findall(r'<article class="card".*?</article>', page, re.S)[:_MAX_BOARDS]
    for k, card in enumerate(cards):
        _card(image, 160 + k * 92, card)
    return _png(image)


def _card(image: Image, y: int, card: str) -> None:
    name = re.search(r"<h3>.*?<bdi>(.*?)</bdi>", card, re.S)
    said = re.search(r'<p class="says">(.*?)</p>', card, re.S)
    image[y - 12 : y - 10, 60 : WIDE - 60] = (220, 220, 214)
    _write(image, 60, y, _plain(name.group(1))[:24] if name else "", 4, _INK)
    _write(image, 60, y + 42, _plain(said.group(1))[:66] if said else "", 2, _SOFT)
    scale = (WIDE - 60 - 860) / 360
    for x1, row, x2 in re.findall(r'<path d="M([\d.]+) ([\d.]+)H([\d.]+)" class="bar', card)[:5]:
        top = y + int(float(row)) * 3 // 5 - 8
        image[top - 1 : top + 2, 860 + int(float(x1) * scale) : 861 + int(float(x2) * scale)] = _ACCENT
    for x, row in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', card)[:5]:
        top, left = y + int(float(row)) * 3 // 5 - 8, 860 + int(float(x) * scale)
        image[top - 4 : top + 5, left - 4 : left + 5] = _ACCENT


def _write(image: Image, x: int, y: int, text: str, size: int, colour: tuple[int, int, int]) -> None:
    known = _letters()
    for letter in text:
        rows = known.get(letter) or known.get(letter.upper()) or _UNKNOWN
        for j, dots in enumerate(rows):
            for i in range(5):
                if dots >> (4 - i) & 1:
                    image[y + j * size : y + (j + 1) * size, x + i * size : x + (i + 1) * size] = colour
        x += 6 * size
        if x > WIDE - 60:
            return


@lru_cache(maxsize=1)
def _letters() -> dict[str, bytes]:
    """Letters of five by seven dots; each byte is a row of dots."""
    lines = (asset_dir("leaderboard") / "letters.txt").read_text(encoding="utf-8").splitlines()
    return {line[0]: bytes.fromhex(line[2:]) for line in lines}


def _plain(markup: str) -> str:
    text = unescape(" ".join(re.sub(r"<[^>]*>", "", markup).split()))
    return text.replace("−", "-").replace("–", "-").replace("·", "-").replace("\u202f", "").replace("’", "'")


def _png(image: Image) -> bytes:
    rows = np.concatenate([np.zeros((HIGH, 1), np.uint8), image.reshape(HIGH, -1)], axis=1).tobytes()
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", WIDE, HIGH, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )
