"""A model that needs no weights and answers differently under each seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ehrbench.models.protocol import Request, Response


class Dice:
    """Answers by chance."""

    name = "dice"

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        for request in requests:
            right = np.random.default_rng(request.seed).random() < 0.5
            yield Response(request.id, "A" if right else "B", answer_tokens=1)
