"""``--executor ray``: copies of one model on the machines of a Ray cluster, seen as one streaming model.

The plan, the store and the progress stay with the process that was started; actors see calls and give responses. A call whose
actor is lost is made again by another. Each actor holds one model; Ray gives it the processors and GPUs that it was promised.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.capabilities import (
    Describes,
    FittedOnGolds,
    GivesLikelihoods,
    IntroducesItself,
    LikelihoodRequest,
    LikelihoodResponse,
    UsesTemplate,
)
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, Request, Response
from ehrbench.runs.keys import model_key

PORTION = 64
"""Calls that an actor is given at a time: neighbours in the plan, so that those on one record meet one prefix cache."""
IN_FLIGHT = 2
"""Portions that an actor has: the next one waits there while the first is answered."""
MOST_LOSSES = 3
"""Actors that a call may lose before it counts as failed: it may be what kills them."""
_POLL_SECONDS = 0.05

_log = logging.getLogger(__name__)


class Spec(NamedTuple):
    """What an actor loads; see ``load_model``."""

    spec: str
    args: Mapping[str, str]
    max_model_len: int | None


class Layout(NamedTuple):
    """Where actors are."""

    address: str | None = None
    """Of a cluster; None starts one on this machine."""
    actors: int | None = None
    """Copies of the model; None: one per GPU where actors have GPUs, else one a machine."""
    gpus: float | None = None
    """GPUs of each; None: one where the cluster has any."""


class Worker:
    """One actor: a model, loaded when Ray has found it a place."""

    def __init__(self, spec: Spec) -> None:
        """Note what to load."""
        self._spec = spec
        self._model: Model | None = None

    def ready(self) -> str:
        """Load the model and say which one it is."""
        from ehrbench.models.loading import load_model
        from ehrbench.runs.policy import silence_libraries

        silence_libraries()
        if self._model is None:
            self._model = load_model(*self._spec)
        return model_key(self._model.identity)

    def fit(self, golds: Sequence[str | None]) -> None:
        """Show a baseline the golds, as in a local run."""
        cast(Any, self._model).fit(golds)

    def generate(self, requests: Sequence[Request]) -> list[Response]:
        """Answer a portion."""
        assert self._model is not None
        return list(self._model.generate(requests))

    def choose(self, requests: Sequence[ChoiceRequest]) -> list[ChoiceResponse]:
        """Probabilities for a portion."""
        assert self._model is not None
        return list(self._model.choice_probabilities(requests))

    def score(self, requests: Sequence[LikelihoodRequest]) -> list[LikelihoodResponse]:
        """Log-likelihoods for a portion."""
        return list(cast(GivesLikelihoods, self._model).log_likelihoods(requests))


class _Actor:
    """An actor as this process sees it."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.loading = handle.ready.remote()
        """Until Ray has a place for it and the model is loaded."""
        self.ready = False
        self.load = 0
        self.blamed = False
        """Lost, and the calls that it worked on are known as those."""


class RayModel:
    """A model whose calls are spread over actors."""

    streaming = True

    def __init__(self, planning: Model, spec: Spec, layout: Layout) -> None:
        """Connect to the cluster; no text is sent and no actor started yet.

        Args:
            planning: the same model in this process: counts tokens and never answers.
            spec: what actors load.
            layout: where.

        Raises:
            MissingError: Ray is not installed, or no cluster answers at the address.
            UsageError: the cluster has fewer GPUs than one actor needs.
        """
        self._planning, self._spec = planning, spec
        self._ray, self._started = _connect(layout.address)
        resources = self._ray.cluster_resources()
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        gpus = float(resources.get("GPU", 0))
        self._gpus = layout.gpus if layout.gpus is not None else min(1.0, gpus)
        if self._gpus > gpus:
            raise UsageError(f"--ray-gpus {self._gpus:g}: the cluster has {gpus:g} GPUs; give fewer, or add machines")
        self._count = layout.actors or (max(1, int(gpus // self._gpus)) if self._gpus else len(nodes))
        self._actors: list[_Actor] = []
        self._golds: Sequence[str | None] | None = None
        own = self._ray.util.get_node_ip_address()
        away = any(node["NodeManagerAddress"] != own for node in nodes)
        self.is_remote = planning.is_remote or away
        # Approved like a server: `ehrbench approve HOST:6379`.
        head = self._ray.get_runtime_context().gcs_address
        self.endpoint = planning.endpoint if planning.is_remote or not away else f"https://{head}"
        self.identity = planning.identity
        self.tokenizer, self.thinks = planning.tokenizer, planning.thinks

        self.context_length = planning.context_length
        if isinstance(planning, UsesTemplate):
            self.template = planning.template
        if isinstance(planning, IntroducesItself):
            self.introduction = planning.introduction
        if isinstance(planning, GivesLikelihoods):  # else the method is not there, which is how a task's need is told
            self.log_likelihoods = self._log_likelihoods

    def describe(self) -> None:
        """Let a server's model ask for its window."""
        if isinstance(self._planning, Describes):
            self._planning.describe()
            self.context_length = self._planning.context_length

    def fit(self, classes: Sequence[str]) -> None:
        """Keep the golds for the actors of a baseline that is made from them."""
        if isinstance(self._planning, FittedOnGolds):
            self._golds = classes
            for actor in self._actors:
                if actor.ready:
                    actor.handle.fit.remote(classes)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The model's own."""
        return self._planning.prompt_text(messages)

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer every request, in any order."""
        return self._spread(requests, "generate", lambda request: Response(request.id, finish="error", error="ActorLost"))

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Probabilities of choices."""
        return self._spread(requests, "choose", lambda request: ChoiceResponse(request.id, finish="error", error="ActorLost"))

    def _log_likelihoods(self, requests: Iterable[LikelihoodRequest]) -> Iterator[LikelihoodResponse]:
        return self._spread(requests, "score", lambda request: LikelihoodResponse(request.id, finish="error", error="ActorLost"))

    def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []
        if self._started:
            self._ray.shutdown()
        self._planning.close()

    def _spread(self, requests: Iterable[Any], method: str, failed: Any) -> Iterator[Any]:
        feed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=_feed, args=(requests, feed), daemon=True, name="ray-feed").start()
        waiting: deque[Any] = deque()
        running: dict[Any, tuple[_Actor, list[Any]]] = {}
        losses: Counter[str] = Counter()
        ended = False
        while len(self._actors) < self._count:
            self._actors.append(self._start())
        while waiting or running or not ended:
            while not ended:
                try:
                    got = feed.get(block=not waiting and not running)
                except queue.Empty:
                    break
                if isinstance(got, _End):
                    ended = True
                    if got.error is not None:
                        raise got.error
                else:
                    waiting.append(got)
            self._give_out(waiting, running, losses, method)
            loading = {actor.loading: actor for actor in self._actors if not actor.ready}
            if not running and not waiting:
                continue
            done, _ = self._ray.wait([*running, *loading], num_returns=1, timeout=_POLL_SECONDS if not ended else 1.0)
            for ref in done:
                if ref in loading:
                    self._welcome(loading[ref])
                    continue
                # An actor works on its portions one after the other: of a lost one's, only the oldest can be what killed it.
                oldest = next(other for other in running if running[other][0] is running[ref][0])
                actor, portion = running.pop(ref)
                actor.load -= 1
                try:
                    responses = self._get(ref)
                except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError):
                    self._replace(actor)
                    suspect = oldest == ref and not actor.blamed
                    actor.blamed = actor.blamed or suspect
                    for request in reversed(portion):
                        losses[request.id] += suspect
                        if losses[request.id] < MOST_LOSSES:
                            waiting.appendleft(request)
                        else:
                            yield failed(request)
                else:
                    yield from responses

    def _give_out(self, waiting: deque[Any], running: dict[Any, Any], losses: Counter[str], method: str) -> None:
        """Hand waiting calls to the actors that have least to do."""
        while waiting:
            free = [actor for actor in self._actors if actor.ready and actor.load < IN_FLIGHT]
            if not free:
                return
            actor = min(free, key=lambda one: one.load)
            # A call that has lost an actor goes alone, so that it cannot take others with it again.
            # Portions shrink towards the end, and what an actor that is still loading could do is not given away before.
            size = 1 if losses[waiting[0].id] else min(PORTION, -(-len(waiting) // (IN_FLIGHT * self._count)))
            portion = [waiting.popleft()]
            while len(portion) < size and not losses[waiting[0].id]:
                portion.append(waiting.popleft())
            actor.load += 1
            running[getattr(actor.handle, method).remote(portion)] = actor, portion

    def _start(self) -> _Actor:
        remote = self._ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0, scheduling_strategy="SPREAD")(Worker)
        return _Actor(remote.remote(self._spec))

    def _welcome(self, actor: _Actor) -> None:
        """An actor has loaded its model, or could not."""
        try:
            key = self._get(actor.loading)
        except self._ray.exceptions.RayActorError:
            self._replace(actor)
            return
        if key != model_key(self.identity):
            raise UsageError(
                f"'{self._spec.spec}' is not the same model on every machine of the cluster; put the same checkpoint and "
                "the same versions on all"
            )
        if self._golds is not None:
            actor.handle.fit.remote(self._golds)
        actor.ready = True

    def _get(self, ref: Any) -> Any:
        """What an actor returned, or raised; Ray puts the actor's traceback into an error's text, which may quote a record."""
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def _replace(self, lost: _Actor) -> None:
        if lost in self._actors:
            _log.warning("an actor was lost; its calls are made again")
            self._ray.kill(lost.handle)  # it may only be out of reach
            self._actors[self._actors.index(lost)] = self._start()


class _End(NamedTuple):
    error: BaseException | None


def _feed(requests: Iterable[Any], feed: queue.SimpleQueue[Any]) -> None:
    """Pull requests in a thread: the iterator blocks while every chain waits for an answer."""
    try:
        for request in requests:
            feed.put(request)
    except BaseException as error:  # raised again where responses are read
        feed.put(_End(error))
    else:
        feed.put(_End(None))


def _connect(address: str | None) -> tuple[Any, bool]:
    """Ray, connected, and whether this process started it."""
    if find_spec("ray") is None:
        raise MissingError("--executor ray: ray is not installed; pip install 'ehrbench[ray]'")
    import ray

    if ray.is_initialized():
        return ray, False
    local = {} if address else {"include_dashboard": False, "object_store_memory": 256 << 20}
    try:
        # Workers' output is not brought here: a library there may print what it was given.
        ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except (ConnectionError, ValueError, RuntimeError):
        raise MissingError(
            f"no Ray cluster answers at {address or 'this machine'}: start one (`ray start --head`) or check --ray-address"
        ) from None
    return ray, True
