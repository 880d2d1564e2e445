"""The key of a call: a hash of everything that decides its answer."""

from __future__ import annotations

import hashlib
import json

from ehrbench.models.protocol import ModelIdentity, Request


def model_key(identity: ModelIdentity) -> str:
    """Hash of what makes two models the same; library versions are recorded elsewhere and left out."""
    parts = [identity.name, identity.backend, identity.revision, dict(identity.settings)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def call_key(model: str, request: Request) -> str:
    """Hash of one call.

    Args:
        model: ``model_key`` of the model that is asked.
        request: the call; its id, its scheduling hint and what only baselines read do not count.
    """
    digest = hashlib.sha256(model.encode())
    parts = [request.max_tokens, request.temperature, request.top_p, request.stop, request.seed, request.max_reasoning_tokens]
    digest.update(json.dumps([*parts, request.spellings] if request.spellings else parts).encode())
    for role, content in request.messages:
        body = content.encode("utf-8", "surrogatepass")
        digest.update(f"\0{role}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()
