"""Models: the protocol every backend speaks, and the backends by name."""

from ehrbench.models.protocol import (
    ChoiceRequest,
    ChoiceResponse,
    Finish,
    Message,
    Model,
    ModelIdentity,
    Request,
    Response,
    Tokenizer,
    Tokens,
)

__all__ = [
    "ChoiceRequest",
    "ChoiceResponse",
    "Finish",
    "Message",
    "Model",
    "ModelIdentity",
    "Request",
    "Response",
    "Tokenizer",
    "Tokens",
]
