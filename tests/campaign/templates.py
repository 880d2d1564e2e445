"""Random prompt templates, from a grammar of loops, filters and arithmetic: each ends within its budget."""

from __future__ import annotations

import random
import time

from ehrbench.errors import UsageError
from ehrbench.tasks._sandbox import MAX_SECONDS, render
from tests.campaign.rows import Row
from tests.tasks.test_template_budget import random_template

SLACK_S = 3.0
"""Of the processor, for what one operation between two looks at the clock may take."""


def templates(seconds: float) -> Row:
    """Render for so long. A budget is one of seconds on the clock, so that none can take more of the processor's."""
    row = Row(f"random templates, {seconds:g} s")
    values: dict[str, object] = {"question": "Why?", "xs": list(range(50)), "text": "abc " * 100}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seed = 1_000_000 + row.tried
        row.tried += 1
        source = random_template(random.Random(seed))
        began = time.process_time()
        try:
            render(source, "prompt.user", values)
        except UsageError:
            pass
        except Exception as error:
            row.failed(type(error).__name__, f"first: seed {seed}")
        if time.process_time() - began > 2 * MAX_SECONDS + SLACK_S:
            row.failed("more than its budget", f"first: seed {seed}")
    return row
