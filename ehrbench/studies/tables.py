"""A table as Markdown, LaTeX (booktabs), CSV and HTML: the same cells in each, whatever characters they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

from ehrbench.tables import to_csv

_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "τ": r"$\tau$",
    "α": r"$\alpha$",
    "κ": r"$\kappa$",
}


_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+")


class Table(NamedTuple):
    """What a question is answered with."""

    name: str
    """Of its files."""
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int]
    """Columns that are aligned to the right."""
    notes: Sequence[str]
    records: tuple[Sequence[str], Sequence[Sequence[object]]]
    """Header and rows for programs, one number a row and nothing rounded: what the CSV holds."""


def without_folders(table: Table) -> Table:
    """A table to be shown to others: where a folder lies on this machine is nobody's business."""
    header, records = table.records
    return table._replace(
        rows=[[file_names(cell) for cell in row] for row in table.rows],
        notes=list(dict.fromkeys(map(file_names, table.notes))),
        records=(header, [[file_names(cell) if isinstance(cell, str) else cell for cell in row] for row in records]),
    )


def file_names(text: str) -> str:
    """A text in which absolute paths have lost their folders; addresses stay whole."""
    return _FOLDERS.sub("", text)


def markdown(table: Table) -> str:
    """A GitHub table with its title and notes."""
    rule = ["---:" if i in table.numbers else "---" for i in range(len(table.header))]
    rows = [table.header, rule, *table.rows]
    lines = [f"| {' | '.join(map(_markdown_cell, row))} |" for row in rows]
    notes = [f"- {_one_line(note)}" for note in table.notes]
    return "\n".join([f"## {_one_line(table.title)}", "", *lines, *(["", *notes] if notes else [])]) + "\n"


def latex(table: Table) -> str:
    """A table environment that needs the package booktabs."""
    align = "".join("r" if i in table.numbers else "l" for i in range(len(table.header)))
    rows = [" & ".join(map(tex, row)) + r" \\" for row in table.rows]
    notes = r" \\ ".join(map(tex, table.notes))
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{tex(table.title)}}}",
            rf"\label{{tab:{re.sub('[^A-Za-z0-9.-]', '-', table.name)}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            " & ".join(map(tex, table.header)) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\footnotesize {notes}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def csv(table: Table) -> str:
    """The numbers one by one, unrounded."""
    header, rows = table.records
    return to_csv(header, rows)


def html(table: Table) -> str:
    """One section of a page."""
    head = "".join(f'<th scope="col"{_right(table, i)}>{escape(cell)}</th>' for i, cell in enumerate(table.header))
    rows = "".join(
        "<tr>" + "".join(f"<td{_right(table, i)}>{escape(cell)}</td>" for i, cell in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    return (
        f"<section><h2>{escape(table.title)}</h2><div class=scroll><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{f'<ul>{notes}</ul>' if notes else ''}</section>\n"
    )


def _right(table: Table, column: int) -> str:
    return " class=n" if column in table.numbers else ""


WRITERS: Mapping[str, tuple[str, Callable[[Table], str]]] = {
    "markdown": (".md", markdown),
    "latex": (".tex", latex),
    "csv": (".csv", csv),
}
"""Suffix and writer of the formats that have a file for each table; HTML is one page of all."""


def page(title: str, sections: Sequence[str]) -> str:
    """An HTML page that needs nothing beside it."""
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
        "body{color:#1c1d1f;background:#fdfdfb}"
        "table{border-collapse:collapse;border-top:2px solid;border-bottom:2px solid}th{border-bottom:1px solid;text-align:left}"
        "th,td{padding:.25rem .7rem;vertical-align:top}.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
        ".scroll{overflow-x:auto}ul{font-size:.9rem;color:#5a5d63}svg{max-width:100%;height:auto}"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main><h1>{escape(title)}</h1>\n"
        f"{''.join(sections)}</main></body></html>\n"
    )


def tex(text: str) -> str:
    """A text with LaTeX's own signs written out."""
    return "".join(_LATEX.get(sign, sign) for sign in _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _markdown_cell(text: str) -> str:
    return re.sub(r"([|\\`*_<\[])", r"\\\1", _one_line(text)) if not set(text) <= set("-:") else text
