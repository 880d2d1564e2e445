"""What a reader of a result must know of its answers, in words."""

from __future__ import annotations

from ehrbench.results.schema import AnswerInfo

SMALL_MASS = 0.5
"""Choices that hold less than half of the probability: the model would rather have said something else."""
_DOUBTS = {
    "prompt_count": "the server counted fewer tokens than the prompt has, for its cache or because it cut the prompt",
    "choice_not_listed": "the server did not list a choice among the first tokens; its probability is the most that it can be",
    "thinking_tags": "the answer begins as a thought does, and was scored as it is: name the markers with --model-arg think_tags",
}


def answer_cautions(answers: AnswerInfo, n_items: int) -> list[str]:
    """What a reader of the numbers must know of the answers, a sentence each."""
    cautions = [f"{n} of {n_items} items are doubtful: {_DOUBTS.get(name, name)}" for name, n in answers.doubts.items()]
    mass = answers.choice_mass_median
    if mass is not None and mass < SMALL_MASS:
        cautions.append(
            f"the choices held a median of {100 * mass:.2g} % of the probability: the model would rather have said something else"
        )
    return cautions
