"""A model object of the user's own, made into a ``Model``: one method is enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from ehrbench.errors import PolicyError, UsageError
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, ModelIdentity, Request, Response, Tokenizer

_ATTRIBUTES = ("identity", "endpoint", "is_remote", "context_length", "tokenizer", "thinks", "streaming")
_METHODS = ("prompt_text", "generate", "choice_probabilities", "close")


class OwnModel:
    """Fills in what an object leaves out: a window without limit, no tokenizer, rounds instead of a stream."""

    def __init__(self, own: Any) -> None:
        """Wrap an object; see ``adapt``."""
        self._own = own
        name = str(getattr(own, "name", type(own).__name__))
        self.identity = getattr(own, "identity", None) or ModelIdentity(name, "python", _revision(own))
        self.says_where = hasattr(own, "is_remote")
        self.is_remote = bool(getattr(own, "is_remote", False))
        self.endpoint: str | None = getattr(own, "endpoint", None)
        self.context_length: int | None = getattr(own, "context_length", None)
        self.tokenizer: Tokenizer | None = getattr(own, "tokenizer", None)
        self.thinks = bool(getattr(own, "thinks", False))
        self.streaming = False

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The object's own, else the contents joined by newlines."""
        if hasattr(self._own, "prompt_text"):
            return str(self._own.prompt_text(messages))
        return "\n".join(message.content for message in messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The object's answers, checked.

        Raises:
            UsageError: it yields something else than a ``Response``, or one that nobody asked for, or leaves one out.
        """
        asked = list(requests)
        waiting = {request.id for request in asked}
        for response in self._own.generate(asked):
            if not isinstance(response, Response):
                raise UsageError(
                    f"generate of the model {self.identity.name} yields a {type(response).__name__}; expected "
                    "ehrbench.models.Response"
                )
            if response.id not in waiting:
                raise UsageError(
                    f"generate of the model {self.identity.name} answers '{response.id}', which was not asked or twice"
                )
            waiting.remove(response.id)
            yield response
        if waiting:
            raise UsageError(
                f"generate of the model {self.identity.name} left {len(waiting)} of {len(asked)} requests without a response "
                f"(first: {min(waiting)})"
            )

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """The object's own.

        Raises:
            NoProbabilitiesError: it has none; the engine then asks for an answer instead.
        """
        if not hasattr(self._own, "choice_probabilities"):
            raise NoProbabilitiesError(f"the model {self.identity.name} has no method choice_probabilities")
        found: Iterator[ChoiceResponse] = self._own.choice_probabilities(requests)
        return found

    def close(self) -> None:
        """The object's own, where it has one."""
        if hasattr(self._own, "close"):
            self._own.close()


def _revision(own: Any) -> str:
    """What the object calls its state; else a new name each time, so that answers of other code are never taken over."""
    return str(getattr(own, "revision", None) or f"unnamed-{uuid4().hex[:12]}")


class _Function:
    """A function from a prompt to an answer."""

    def __init__(self, function: Any) -> None:
        self._function = function
        self.name = str(getattr(function, "__name__", "function")).strip("<>")
        for attribute in ("is_remote", "endpoint", "revision"):
            if hasattr(function, attribute):
                setattr(self, attribute, getattr(function, attribute))

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        for request in requests:
            answer = self._function("\n".join(message.content for message in request.messages))
            if not isinstance(answer, str):
                raise UsageError(f"the function {self.name} returned a {type(answer).__name__}; expected the answer as a text")
            yield Response(request.id, answer)


def adapt(model: Any) -> Model:
    """A ``Model`` from an object of the user's.

    Args:
        model: a ``Model``; an object with a method ``generate(requests) -> iterable of Response``, and where it has them
            ``prompt_text``, ``choice_probabilities``, ``close`` and the attributes of ``Model``; or a function from a
            prompt's text to an answer's.

    An object without ``identity`` or ``revision`` is a new model at every call: an interrupted evaluation goes on only where the
    object says by ``revision`` that it is still what it was.

    Raises:
        UsageError: it is none of these; the message names what is missing.
    """
    if isinstance(model, type):
        raise UsageError(f"the model is the class {model.__name__}; give an object of it: {model.__name__}(…)")
    if all(hasattr(model, name) for name in (*_ATTRIBUTES, *_METHODS)):
        whole: Model = model
        return whole
    if hasattr(model, "generate"):
        return OwnModel(model)
    if callable(model):
        return OwnModel(_Function(model))
    raise UsageError(
        f"a model object needs a method generate(requests) that yields a Response for each; {type(model).__name__} has none"
    )


def require_place(model: Model, task: str) -> None:
    """Refuse credentialed text to an object that does not say where it sends it.

    Raises:
        PolicyError: the object has no ``is_remote``.
    """
    if isinstance(model, OwnModel) and not model.says_where:
        raise PolicyError(
            f"task '{task}' is credentialed and the model {model.identity.name} does not say where its text goes: set "
            "is_remote = False on it where nothing leaves this machine, else is_remote = True and endpoint = the server's address"
        )
