"""Figures as files for papers: the SVG that a report has anyway, as PDF and PNG too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from ehrbench.errors import MissingError

Picture = Literal["svg", "pdf", "png"]
PNG_PPI = 300
"""What printers ask for."""
_RADIUS = re.compile(r"circle\{(?:[^}]*;)?r:([0-9.]+)px")
"""A radius in a style sheet, which the library does not read there."""


def check_pictures(wanted: Sequence[Picture]) -> None:
    """Make sure that the forms that are wanted can be made.

    Raises:
        MissingError: the package that makes them is not installed.
    """
    if set(wanted) - {"svg"}:
        try:
            import vl_convert  # noqa: F401
        except ImportError:
            raise MissingError(
                "figures as PDF or PNG are made by the package vl-convert-python, which is not installed: pip install "
                "'ehrbench[figures]', or write 'figures: svg' under 'report:' of the study"
            ) from None


def picture_files(pictures: Mapping[str, str], wanted: Sequence[Picture]) -> dict[str, bytes]:
    """The files of some figures, by name.

    Args:
        pictures: SVG by name without its ending.
        wanted: forms.
    """
    files = {}
    for name, svg in pictures.items():
        for form in wanted:
            files[f"{name}.{form}"] = _as(form, svg)
    return files


def _as(form: Picture, svg: str) -> bytes:
    if form == "svg":
        return svg.encode()
    import vl_convert

    if (radius := _RADIUS.search(svg)) is not None:
        svg = svg.replace("<circle ", f'<circle r="{radius[1]}" ')
    return bytes(vl_convert.svg_to_pdf(svg) if form == "pdf" else vl_convert.svg_to_png(svg, ppi=PNG_PPI))
