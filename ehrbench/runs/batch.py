"""Models that meet their server by file: one writes the calls that are ready, the other answers them from the replies.

Both have the identity of the server's model, so a run made by files is the run made online: same folder, same keys.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ehrbench.errors import PolicyError, UsageError
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Model, Request, Response
from ehrbench.models.server.batch_file import BatchWriter, Place, Replies, Row, SplitWriter, custom_id
from ehrbench.models.server.body import choice_body, generation_body
from ehrbench.models.server.model import ServerModel, read_first
from ehrbench.runs.choices import labelled, likeliest
from ehrbench.runs.keys import model_key


class FileModel:
    """What both directions share: a server's model that no connection is made to."""

    streaming = False
    by_file: Literal[True] = True
    """Requests with ``spellings`` are answered with probabilities here: no wrapper can try a call first."""

    def __init__(self, server: ServerModel) -> None:
        """Wrap a model; its server is never spoken to."""
        self.server = server
        self.identity = server.identity
        self.endpoint, self.is_remote = server.endpoint, server.is_remote
        self.context_length, self.tokenizer, self.thinks = server.context_length, server.tokenizer, server.thinks
        self._key = model_key(server.identity)
        # Nothing streams into a file. Without the field a call keeps the name that it had before calls online carried it.
        self._dialect = replace(server.dialect, omit=server.dialect.omit | {"stream"})

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The model's own."""
        return self.server.prompt_text(messages)

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        """Never asked: see ``by_file``."""
        raise NotImplementedError

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Never asked of what only counts calls: see ``CallWriter`` and ``CallReader``."""
        raise NotImplementedError

    def price(self, prompt_tokens: int, answer_tokens: int) -> float | None:
        """The server's."""
        return self.server.price(prompt_tokens, answer_tokens)

    def close(self) -> None:
        """Close the server's model, which has opened nothing."""
        self.server.close()

    def call(self, request: Request) -> tuple[str, bytes]:
        """A call's ``custom_id`` and body."""
        body = choice_body(self._dialect, _choice(request)) if self.asks_choice(request) else None
        body = body or generation_body(self._dialect, request)
        return custom_id(self._key, body), body

    def asks_choice(self, request: Request) -> bool:
        """Whether a call is for log-probabilities; a model that thinks is asked for a label instead, as online."""
        return bool(request.spellings) and not self.server.dialect.thinking


class CallWriter(FileModel):
    """Writes every call it is asked and answers none."""

    def __init__(self, server: ServerModel, writer: BatchWriter | SplitWriter, under_way: Collection[str] = ()) -> None:
        """Hold what writes.

        Args:
            server: whose calls they are.
            writer: of the files.
            under_way: ``custom_id`` of calls that wait for answers already, and are not written.
        """
        super().__init__(server)
        self.writer = writer
        self.n_under_way = 0
        self._under_way = under_way

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Write the calls."""
        for request in requests:
            name, body = self.call(request)
            if name in self._under_way:
                self.n_under_way += 1
            else:
                self.writer.write(name, body)
        return iter(())


class CallReader(FileModel):
    """Answers the calls that files have replies to, and leaves the others open."""

    def __init__(self, server: ServerModel, replies: Replies | None = None) -> None:
        """Hold the replies; without any, ``take`` brings them."""
        super().__init__(server)
        self._rows: Mapping[str, Row] = replies.rows if replies else {}
        self.used: set[str] = set()
        """``custom_id`` of the replies that belonged to a call."""
        self.failed: list[tuple[Place, str, str]] = []
        """Line, item and class of the replies that are failures."""
        self.missing: list[str] = []
        """Items whose call was ready before this file, and has no reply in it."""
        self._went_on: set[str] = set()

    def take(self, replies: Replies) -> None:
        """Answer from these replies from now on."""
        self._rows = replies.rows

    def next_task(self) -> None:
        """Forget which items went on: another task may have items of the same name."""
        self._went_on.clear()

    def generate(self, requests: Iterable[Request]) -> Iterator[Response]:
        """Answer what the file answers."""
        for request in requests:
            name, _ = self.call(request)
            row = self._rows.get(name)
            if row is not None:
                self.used.add(name)
                self._went_on.add(request.item)
                yield self._response(request, row)
            elif request.item not in self._went_on:
                self.missing.append(request.item)

    def _response(self, request: Request, row: Row) -> Response:
        least = self.server.least_tokens(request)
        if self.asks_choice(request):
            choice = _choice(request)
            try:
                response = likeliest(request, self.server.choice_response_of(choice, row.outcome(read_first), least))
            except UsageError:  # the reply is there, but without log-probabilities
                response = Response(request.id, finish="error", error="NoLogProbabilities")
        else:
            response = self.server.response_of(request.id, row.outcome(self.server.read), least)
            if request.spellings:
                response = labelled(request, response)
        if response.finish == "error":
            self.failed.append((row.place, request.item, response.error or "error"))
        return response


def _choice(request: Request) -> ChoiceRequest:
    return ChoiceRequest(request.id, request.messages, request.spellings, request.prefix, item=request.item)


def server_of(model: Model) -> ServerModel:
    """The server's model behind a spec.

    Raises:
        UsageError: the model is not one that is asked through the OpenAI API.
    """
    if isinstance(model, ServerModel):
        return model
    raise UsageError(
        f"--model is of the backend '{model.identity.backend}', which takes no batch files: use openai:NAME (NAME as the machine "
        "that answers knows the model, and its address as --model-arg base_url=…) or azure:DEPLOYMENT"
    )


def check_path(path: Path, *, credentialed: bool) -> None:
    """Pass, or refuse a place for a file of prompts.

    Args:
        path: where the file shall be.
        credentialed: it will hold text under a data use agreement.

    Raises:
        UsageError: there is a file already, or no such folder.
        PolicyError: git would take credentialed text into its history.
    """
    if path.exists():
        raise UsageError(f"--out {path} is there already; give another name, so that nothing is overwritten")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"--out {path}: there is no folder {path.parent}; make it first")
    if credentialed and any((above / ".git").exists() for above in (folder, *folder.parents)) and not _ignored(path.resolve()):
        raise PolicyError(
            f"--out {path} would hold prompts of a credentialed task inside a git checkout that does not ignore it; choose a "
            "folder outside of it, or one that .gitignore names"
        )


def _ignored(path: Path) -> bool:
    command = ["git", "check-ignore", "--quiet", str(path)]
    try:
        return subprocess.run(command, cwd=path.parent, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
