"""The key of a call, a hash of everything that decides its answer, and the seed that is a part of it."""

from __future__ import annotations

import hashlib
import json

from ehrbench.hashing import hash_text
from ehrbench.models.protocol import ModelIdentity, Request
from ehrbench.tasks.schema import TaskSpec


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


def sampling_seed(task: TaskSpec, seed: int, item: str) -> int:
    """The seed that an item is answered with: one of its own where answers are sampled.

    Engines draw the same random numbers from the same seed, so with one seed for all items their luck would be one and the same,
    and no interval over items would hold. Greedy answers need none and keep the run's, which is part of their calls' keys.

    Args:
        task: with the user's choices in it.
        seed: the run's.
        item: its id.
    """
    if task.generation.temperature <= 0:
        return seed
    return int(hash_text(f"{seed}\0{task.task}\0{item}")[:8], 16) >> 2  # servers want 31 bits; repeats count on from it
