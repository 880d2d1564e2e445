"""A wrapped model: a subclass changes what it answers, all else is its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model


class Wrapped:
    """Everything of a model but ``generate``, which takes one round at a time."""

    streaming = False

    def __init__(self, model: Model) -> None:
        """Wrap a model."""
        self._model = model
        self.identity = model.identity
        self.endpoint, self.is_remote = model.endpoint, model.is_remote
        self.context_length, self.tokenizer, self.thinks = model.context_length, model.tokenizer, model.thinks

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The model's own."""
        return self._model.prompt_text(messages)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """The model's own."""
        return self._model.choice_probabilities(requests)

    def close(self) -> None:
        """Close the model."""
        self._model.close()
