"""What the numbers say, in one sentence, and never more than their intervals carry."""

from __future__ import annotations

from ehrbench.leaderboard.entries import RowKey
from ehrbench.leaderboard.ranks import Estimate
from ehrbench.leaderboard.standing import Standing
from ehrbench.leaderboard.text import and_list, in_words, number, plural, show

MAX_NAMED = 2


def lead_sentence(standing: Standing) -> str:
    """Who leads, by how much, and how many cannot be told from the first."""
    ranked = standing.ranked
    if not ranked:
        return _unranked(standing)
    first = ranked[0]
    cell = standing.cells[first]
    if len(ranked) == 1 or standing.lead is None:
        return f"{_name(first)} is the only ranked model: {_said(standing, first)}."
    a, b, ahead = standing.lead
    tied = standing.first
    if len(tied) == 1 and ahead.low > 0:
        return f"{_name(a)} leads {_name(b)} by {_gap(standing, ahead)}."
    if len(tied) == 1:
        return f"{_name(a)} leads with {cell.text}."
    if len(tied) == len(ranked):
        all_of = "both" if len(ranked) == 2 else f"all {in_words(len(ranked))}"
        return f"No model can be told from another: {all_of} are tied. {_name(a)} has the best value, {cell.text}."
    named = f": {and_list([_name(key) for key in tied])}" if len(tied) <= MAX_NAMED else ""
    return (
        f"{in_words(len(tied)).capitalize()} are tied for first{named}. "
        f"{_name(a)} is {_gap(standing, ahead)} ahead of {_name(b)}."
    )


def coverage_sentence(standing: Standing) -> str:
    """How many models have every task, where it matters."""
    if standing.n_tasks < 2:
        return ""
    if standing.measure == "win rate" and standing.n_runs and standing.n_complete < standing.n_runs:
        n = in_words(standing.n_complete).replace("no", "none").capitalize() if standing.n_complete <= 1 else standing.n_complete
        have = "has" if standing.n_complete == 1 else "have"
        tasks = f"{n} of {plural(standing.n_runs, 'model')} {have} all {standing.n_tasks} tasks"
        return f"{tasks}, so models are compared on the tasks that both of a pair have."
    if standing.measure == "win rate":
        return f"The {standing.n_tasks} tasks are measured in different units, so models are compared task by task."
    return f"Mean of {standing.n_tasks} tasks, all measured alike."


def _unranked(standing: Standing) -> str:
    known = [key for key, cell in standing.cells.items() if cell.value is not None]
    if not known:
        return "There is nothing to compare yet." if standing.n_runs else "No model has a number here."
    best = known[0]
    printed = all(key.kind != "run" for key in known)
    what = "mean win rate" if standing.measure == "win rate" else "value"
    said = (
        f"best {what} by printed numbers" if printed and standing.measure == "win rate" else f"best {'printed ' * printed}{what}"
    )
    value = f"{_name(best)} has the {said}, {standing.cells[best].text}"
    if printed and any(standing.cells[key].low is not None for key in known):
        return f"{value}; published numbers are not ranked."
    return f"{value}; {'the paper prints no intervals, so' if printed else 'no number here can be ranked:'} nobody is ranked."


def _said(standing: Standing, key: RowKey) -> str:
    cell = standing.cells[key]
    return f"{cell.text} [{cell.range_text.replace('–', ', ').replace(' to ', ', ')}]" if cell.range_text else cell.text


def _gap(standing: Standing, ahead: Estimate) -> str:
    ends = f"[{number(ahead.low, standing.span)}, {number(ahead.high, standing.span)}]"
    unit = " in mean win rate" if standing.measure == "win rate" else ""
    return f"{number(ahead.value, standing.span)} {ends}{unit}"


def _name(key: RowKey) -> str:
    return show(key.name, 40)
