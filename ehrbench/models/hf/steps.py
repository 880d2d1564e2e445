"""What happens between two tokens of the ``hf`` backend: when a row ends, how a sampled row draws. Imports torch.

They are called as transformers' ``StoppingCriteria`` and ``LogitsProcessor`` are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from ehrbench.models.hf.rows import Row


class Until:
    """Ends each row at its own limit, or where its own rule says so."""

    def __init__(self, rows: Sequence[Row], width: int, device: Any) -> None:
        self._limits = torch.tensor([row.max_tokens for row in rows], device=device)
        self._rules = {i: row.is_finished for i, row in enumerate(rows) if row.is_finished is not None}
        self._ends = [row.max_tokens for row in rows]
        self._width = width

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Which rows are done."""
        step = input_ids.shape[1] - self._width
        done = self._limits <= step
        if self._rules:
            new = input_ids[:, self._width :].tolist()
            for i in [i for i, rule in self._rules.items() if rule(new[i])]:
                self._ends[i] = min(self._ends[i], step)
                done[i] = True
                del self._rules[i]
        return done

    def ends(self) -> list[int]:
        """How many tokens belong to each row; what comes after them is padding."""
        return self._ends


class Watch:
    """Notes at which step a row's scores first were not numbers; search goes on, and would take the vocabulary's first token."""

    def __init__(self, rows: Sequence[Row], width: int, device: Any) -> None:
        self._first = torch.full((len(rows),), torch.iinfo(torch.long).max, device=device)
        self._width = width

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores as they are."""
        # The largest is NaN where any is; minus infinity may stand for a token that the model never says.
        broken = ~torch.isfinite(scores.amax(-1))
        step = torch.full_like(self._first, input_ids.shape[1] - self._width)
        self._first = torch.where(broken, torch.minimum(self._first, step), self._first)
        return scores

    def first_steps(self) -> list[int]:
        """For each row the first step with such scores; a number beyond all steps where there was none."""
        found: list[int] = self._first.tolist()
        return found


class Draw:
    """Samples each row with its own seed, so that its answer does not depend on the rows beside it.

    A sampled row's scores become minus infinity but for the token that was drawn; greedy search then takes that one. The draw
    inverts the distribution, ordered by falling probability and cut after ``top_p`` of it, at a number from the row's generator.
    """

    def __init__(self, rows: Sequence[Row], width: int, device: Any) -> None:
        self._rows = [i for i, row in enumerate(rows) if row.temperature > 0]
        steps = max(rows[i].max_tokens for i in self._rows)
        numbers = [np.random.default_rng(rows[i].seed).random(steps) for i in self._rows]
        self._numbers = torch.tensor(np.stack(numbers), dtype=torch.float32, device=device)
        self._temperature = torch.tensor([[rows[i].temperature] for i in self._rows], device=device)
        self._top_p = torch.tensor([[rows[i].top_p] for i in self._rows], device=device)
        self._width = width

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores with the drawn token alone left in the sampled rows."""
        step = input_ids.shape[1] - self._width
        probabilities, order = (
            (scores[self._rows].float() / self._temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        )
        total = probabilities.cumsum(-1)
        # A token is kept while what comes before it is less than top_p, so the most probable one always is.
        kept = ((total - probabilities) < self._top_p).sum(-1, keepdim=True).clamp(min=1)
        mass = total.gather(1, kept - 1)
        place = torch.searchsorted(total, self._numbers[:, step : step + 1] * mass, right=True)
        token = order.gather(1, torch.minimum(place, kept - 1))
        scores = scores.clone()
        drawn = torch.full_like(scores[self._rows], float("-inf")).scatter(1, token, 0.0)
        scores[self._rows] = drawn
        return scores
