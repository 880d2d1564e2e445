"""Tables as HTML: written straight, since a large site has a hundred thousand cells. Every text from outside is escaped here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from markupsafe import Markup, escape

from ehrbench.leaderboard.svg import Scale, padded, px
from ehrbench.leaderboard.tables import Cell, Column, Row, Table
from ehrbench.leaderboard.text import exact, show
from ehrbench.results.models import ModelCard, ModelRegistry

BAR = 64.0
"""Width of an interval drawn in a cell."""
DETAILED_CELLS = 4000
"""Cells up to which a heat map carries the interval of each."""


class Notes:
    """Notes of a page's cells, each written once; a cell names its notes by number."""

    def __init__(self) -> None:
        """Begin without notes."""
        self._numbers: dict[str, int] = {}

    def numbers(self, notes: Sequence[str]) -> str:
        """The numbers of a cell's notes."""
        return " ".join(str(self._numbers.setdefault(note, len(self._numbers) + 1)) for note in notes)

    @property
    def texts(self) -> list[str]:
        """The notes in the order of their numbers."""
        return list(self._numbers)


class Facets:
    """What rows can be filtered by, from the models' cards."""

    def __init__(self, registry: ModelRegistry) -> None:
        """Take the cards of a registry."""
        self._registry = registry
        self._attributes: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The attribute of a model's rows; empty where nothing is known."""
        if name not in self._attributes:
            self._attributes[name] = _attributes(self._registry.card(name))
        return self._attributes[name]


def _attributes(card: ModelCard | None) -> str:
    if card is None:
        return ""
    # In the order in which page.js names them.
    facts = (
        "" if card.open_weights is None else "open" if card.open_weights else "closed",
        size_class(card.parameters),
        show(card.organisation, 40).replace("|", "/"),
        "" if card.released is None else str(card.released.year),
    )
    return f' data-facts="{escape("|".join(facts))}"' if any(facts) else ""


def size_class(parameters: float | None) -> str:
    """A model's size as a filter offers it."""
    if parameters is None:
        return ""
    return next(
        (name for limit, name in ((3e9, "under 3B"), (15e9, "3–15B"), (80e9, "15–80B")) if parameters < limit), "over 80B"
    )


def grid(table: Table, root: str, notes: Notes, facets: Facets, compact: bool = False) -> Markup:
    """A table: values with intervals, counts and marks; ``compact`` draws intervals as bars and keeps the rest for demand.

    Args:
        table: what to show.
        root: way to the site's root.
        notes: takes the cells' notes.
        facets: gives the rows' attributes.
        compact: rows of one line.
    """
    contested = table.contested
    alike = "" if compact else _shared_caution(table)
    out = [f'<p class="facts">All intervals in this table are approximate: {escape(alike)}.</p>'] if alike else []
    out += [f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.title)}">']
    out.append(f'<table class="board{" compact" if compact else ""}"><caption class="hidden">{escape(table.title)}: value, ')
    out.append("95 % interval, number of items and rank range of each model</caption><thead>")
    grouped = any(column.group for column in table.columns)
    if grouped:
        out.append('<tr class="groups"><td></td>' + "".join(_group_heads(table.columns)) + "</tr>")
    out.append('<tr><th scope="col" data-key="model">Model</th>')
    numbers = [[_note_numbers(row.cells[k], notes) for row in table.rows] for k in range(len(table.columns))]
    usual = [max(sorted(set(own)), key=own.count, default="") for own in numbers]
    for column, said in zip(table.columns, usual, strict=True):
        out.append(_head(column, root, ' class="num"' + (f' data-n="{said}"' if said else "")))
    out.append("</tr></thead><tbody>\n")
    scales = [_scale(table, k) if compact else None for k in range(len(table.columns))]
    for at, row in enumerate(table.rows):
        out.append(_row_head(row, root, facets))
        for k, cell in enumerate(row.cells):
            said = numbers[k][at]
            shown = replace(cell, caution="approximate") if alike and cell.caution else cell
            out.append(_cell(shown, contested[k], scales[k], None if said == usual[k] else said))
        out.append("</tr>\n")
    out.append("</tbody></table></div>")
    return Markup("".join(out))  # noqa: S704


def heat(table: Table, root: str, facets: Facets, notes: Notes) -> Markup:
    """A map of models x tasks: first the standing, then one coloured number for each task, foldable by category.

    The colour says where a number lies between the column's worst and best, and is left out where nobody can be told apart.
    """
    detailed = len(table.rows) * len(table.columns) <= DETAILED_CELLS
    contested = table.contested
    out = [f'<div class="scroll tall" tabindex="0" role="region" aria-label="{escape(table.title)}">']
    out.append(f'<table class="board map"><caption class="hidden">{escape(table.title)}, models and tasks</caption>')
    out.append('<thead><tr><th scope="col" data-key="model">Model</th>')
    for k, column in enumerate(table.columns):
        extra = f' data-group="{escape(column.group)}"' if column.group else ""
        extra += " data-total" if column.total else ""
        out.append(_head(column, root, extra + (' class="lead"' if k == 0 else ' class="up"')))
    out.append("</tr></thead><tbody>\n")
    steps = [_steps([row.cells[k] for row in table.rows], column) for k, column in enumerate(table.columns)]
    lead = _scale(table, 0)
    for number, row in enumerate(table.rows):
        out.append(_row_head(row, root, facets))
        for k, cell in enumerate(row.cells):
            if k == 0:
                out.append(_cell(cell, contested[k], lead, _note_numbers(cell, notes) or None, row.letters))
            else:
                out.append(_map_cell(cell, steps[k][number], detailed))
        out.append("</tr>\n")
    out.append("</tbody></table></div>")
    return Markup("".join(out))  # noqa: S704


@lru_cache(maxsize=1 << 14)
def isolated(name: str) -> Markup:
    """A name that keeps its direction to itself; what is plain ASCII has none to keep."""
    return escape(name) if name.isascii() else Markup(f"<bdi>{escape(name)}</bdi>")  # noqa: S704


@lru_cache(maxsize=1 << 14)
def breaks(name: str) -> Markup:
    """A dotted name that a browser may break after its dots and underscores."""
    return Markup(re.sub(r"([._/-])(?=\w)", r"\1<wbr>", str(escape(name))))  # noqa: S704


def _group_heads(columns: Sequence[Column]) -> list[str]:
    heads: list[tuple[str, int]] = []
    for column in columns:
        if heads and heads[-1][0] == column.group:
            heads[-1] = (column.group, heads[-1][1] + 1)
        else:
            heads.append((column.group, 1))
    return [
        f'<th scope="colgroup" colspan="{n}">{isolated(name)}</th>' if name else f'<td colspan="{n}"></td>' for name, n in heads
    ]


def _head(column: Column, root: str, extra: str = ' class="num"') -> str:
    label = breaks(column.label)
    inner = f'<a href="{root}{escape(column.href)}">{label}</a>' if column.href else str(label)
    low = "" if column.higher_is_better else " data-low"
    subs = "".join(f'<span class="sub">{escape(text)}</span>' for text in (column.sub, column.majority_text) if text)
    return f'<th scope="col" data-key="{escape(column.key)}"{low}{extra}>{inner}{subs}</th>'


def _row_head(row: Row, root: str, facets: Facets) -> str:
    badges = "".join(f' <span class="badge {badge}">{badge}</span>' for badge in row.badges)
    sub = f'<span class="sub">{isolated(row.sub)}</span>' if row.sub else ""
    return (
        f'<tr class="{row.kind}"{facets.of(row.key.name)}><th scope="row">'
        f'<a href="{root}models/{row.slug}.html">{isolated(row.label)}</a>{badges}{sub}</th>'
    )


def _shared_caution(table: Table) -> str:
    """The caution that all intervals of a table need, where there are several: it is said once, and each cell has a word."""
    cautions = [
        cell.caution for row in table.rows for cell in row.cells if cell.caution or (cell.low is not None and cell.metric)
    ]
    return cautions[0] if len(cautions) > 1 and len(set(cautions)) == 1 else ""


def _note_numbers(cell: Cell, notes: Notes) -> str:
    return notes.numbers((cell.caution, *cell.notes) if cell.caution else cell.notes) if cell.text else ""


def _cell(cell: Cell, contested: bool, scale: Scale | None, noted: str | None, letters: str = "") -> str:
    """One cell; ``noted`` are the numbers of its notes where they are not those that its column's head names."""
    if not cell.text:
        if cell.missing:
            return f'<td class="none"><small>{escape(cell.missing)}</small></td>'
        return '<td class="none">–</td>'
    out = ["<td"]
    if cell.value is not None:
        out.append(f' data-v="{exact(cell.value)!r}"')
    if noted is not None:
        out.append(f' data-n="{noted}"')
    out.append(">")
    if scale is not None:
        out.append(_bar(cell, scale))
    out.append(f"<b>{escape(cell.text)}</b>")
    if cell.rank is not None and contested:
        out.append(f" <i>#{cell.rank}</i>")
    if letters:
        out.append(f' <span class="letters">{letters}</span>')
    said = " · ".join(text for text in (cell.range_text, cell.n_text) if text)
    if said:
        out.append(f"<small>{escape(said)}</small>")
    for mark in cell.marks:
        out.append(f'<span class="mark{"" if mark == "partial" else " minor"}">{escape(mark)}</span>')
    if cell.caution:
        out.append(f'<span class="caution">{escape(cell.caution)}</span>')
    out.append("</td>")
    return "".join(out)


def _map_cell(cell: Cell, step: str, detailed: bool) -> str:
    if not cell.text:
        said = f' data-d="{escape(cell.missing)}"' if cell.missing and detailed else ""
        return f'<td class="none"{said}>–</td>'
    said = ""
    if detailed:
        rank = f"#{cell.rank}" if cell.rank is not None else "not ranked"
        parts = [cell.range_text, cell.n_text, rank, *cell.marks, cell.caution]
        said = f' data-d="{escape(" · ".join(part for part in parts if part))}"'
    css = " ".join(filter(None, [step, "part" if cell.marks else ""]))
    return f'<td class="{css}"{said}>{escape(cell.text)}</td>' if css else f"<td{said}>{escape(cell.text)}</td>"


def _steps(cells: Sequence[Cell], column: Column) -> list[str]:
    """Each cell's colour, h0 to h10."""
    known = [cell.value for cell in cells if cell.value is not None]
    ranks = {cell.rank for cell in cells if cell.rank is not None}
    if len(known) < 2 or min(known) == max(known) or len(ranks) == 1:
        return [""] * len(cells)
    low, high = min(known), max(known)
    shares = [None if cell.value is None else (cell.value - low) / (high - low) for cell in cells]
    return ["" if s is None else f"h{round((s if column.higher_is_better else 1 - s) * 10)}" for s in shares]


def _scale(table: Table, k: int) -> Scale | None:
    cells = [row.cells[k] for row in table.rows]
    ends = [end for cell in cells for end in (cell.value, cell.low, cell.high) if end is not None]
    if len(ends) < 2 or min(ends) == max(ends) or all(cell.low is None for cell in cells):
        return None
    low, high = padded(ends, 0.02)
    return Scale(low, high, 2, BAR - 2)


def _bar(cell: Cell, scale: Scale) -> str:
    """The interval, drawn on the column's scale."""
    if cell.value is None:
        return ""
    x = px(scale(cell.value))
    line = "" if cell.low is None or cell.high is None else f'<path d="M{px(scale(cell.low))} 5H{px(scale(cell.high))}"/>'
    return f'<svg class="bar" viewBox="0 0 {BAR:.0f} 10" aria-hidden="true">{line}<circle cx="{x}" cy="5" r="2.5"/></svg>'
