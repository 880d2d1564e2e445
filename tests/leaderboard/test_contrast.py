"""Contrast of text and marks on every ground, from the style sheet, in both themes (WCAG 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from ehrbench.assets import asset_dir

CSS = (asset_dir("leaderboard") / "site.css").read_text(encoding="utf-8").partition("@media print")[0]


def _variables(selector: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for body in re.findall(re.escape(selector) + r"\{([^}]*)\}", CSS):
        found |= dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", body))
    return found


LIGHT = _variables(":root")
DARK = LIGHT | _variables(":root[data-theme=dark]")


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula_gives_the_known_extremes() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_ground(theme: dict[str, str]) -> None:
    for ground in ("bg", "faint", "row"):
        for ink in ("ink", "soft", "accent", "warm", *(f"c{k}" for k in range(7))):
            assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
    assert contrast(theme["ink"], theme["warm-bg"]) >= 4.5


def test_every_step_of_the_heat_map_carries_its_number() -> None:
    ink = re.search(r"\.h0,[^{]*\{color:(#[0-9a-f]+)[;}]", CSS)
    steps = dict(re.findall(r"\.(h\d+)\{background:(#[0-9a-f]+)\}", CSS))
    assert ink
    assert set(steps) == {f"h{k}" for k in range(11)}
    for name, ground in steps.items():
        assert contrast(ink.group(1), ground) >= 7, name


def test_the_systems_dark_theme_is_the_chosen_one() -> None:
    assert _variables(":root:not([data-theme=light])") == _variables(":root[data-theme=dark]")
