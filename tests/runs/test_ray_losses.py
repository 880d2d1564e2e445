"""Which calls are held to have cost an actor, on a stand-in for Ray that reports losses in the worst order."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from ehrbench.errors import MissingError
from ehrbench.models.protocol import Message, ModelIdentity, Request, Response
from ehrbench.runs.keys import model_key
from ehrbench.runs.ray_executor import RayModel, _Actor

IDENTITY = ModelIdentity("m", "test")


class Lost(Exception):
    pass


class Failed(Exception):
    """As Ray's: its text is the actor's traceback, with the text of every error on the way."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"ray::Worker.generate() ValueError: the patient called Wilhelmina; {cause}")
        self.cause = cause


class Ref:
    def __init__(self, value: Any) -> None:
        self.value = value


class Handle:
    """An actor that works on its portions one after the other and dies at some calls."""

    def __init__(self, deadly: frozenset[str]) -> None:
        self.dead = False
        self.deadly = deadly
        self.ready = SimpleNamespace(remote=lambda: Ref(model_key(IDENTITY)))
        self.generate = SimpleNamespace(remote=self._generate)

    def _generate(self, portion: Sequence[Request]) -> Ref:
        self.dead = self.dead or any(request.id in self.deadly for request in portion)
        return Ref(Lost() if self.dead else [Response(request.id, "answer") for request in portion])


class Ray:
    exceptions = SimpleNamespace(RayActorError=Lost, ObjectLostError=Lost, RayTaskError=Failed)

    def __init__(self, latest_first: bool) -> None:
        self.latest_first = latest_first

    def wait(self, refs: Sequence[Ref], num_returns: int, timeout: float) -> tuple[list[Ref], list[Ref]]:
        assert num_returns == 1
        # A loss is known before the actor in its place is ready, so that both of its portions wait for that one.
        known = [place for place, ref in enumerate(refs) if not isinstance(ref.value, str)] or range(len(refs))
        place = known[-1 if self.latest_first else 0]
        return [refs[place]], [*refs[:place], *refs[place + 1 :]]

    def get(self, ref: Ref) -> Any:
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    def kill(self, handle: Handle) -> None:
        handle.dead = True


@pytest.mark.parametrize("latest_first", [True, False])
@pytest.mark.parametrize("actors", [1, 2, 3])
@pytest.mark.parametrize("deadly", [{"0"}, {"3"}, {"11"}, {"2", "3"}, set()])
def test_only_calls_that_kill_their_actors_fail(latest_first: bool, actors: int, deadly: set[str]) -> None:
    model: Any = RayModel.__new__(RayModel)
    model._ray, model._actors, model._count, model._golds = Ray(latest_first), [], actors, None
    model.identity = IDENTITY
    model._start = lambda: _Actor(Handle(frozenset(deadly)))
    asked = [Request(str(n), (Message("user", "?"),), 1) for n in range(12)]
    found = {response.id: response for response in model.generate(asked)}
    assert set(found) == {request.id for request in asked}
    assert {id_ for id_, response in found.items() if response.error == "ActorLost"} == deadly


def test_what_an_actor_raises_is_said_without_rays_traceback() -> None:
    model: Any = RayModel.__new__(RayModel)
    model._ray, model._actors, model._count, model._golds = Ray(False), [], 1, None
    model.identity = IDENTITY
    handle = Handle(frozenset())
    handle.generate = SimpleNamespace(remote=lambda portion: Ref(Failed(MissingError("no weights at /models/a"))))
    model._start = lambda: _Actor(handle)
    with pytest.raises(MissingError) as caught:
        list(model.generate([Request("1", (Message("user", "?"),), 1)]))
    assert str(caught.value) == "no weights at /models/a"
