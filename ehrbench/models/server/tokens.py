"""Tokens in place of a key, from Microsoft Entra ID or a command of the user's; renewed before they end, and when refused."""

from __future__ import annotations

import asyncio
import base64
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError

SCOPE = "https://cognitiveservices.azure.com/.default"
"""Of Azure OpenAI."""
MARGIN_SECONDS = 300.0
"""A token is renewed so long before its end, or at half its life where that is shorter."""
COMMAND_SECONDS = 60.0


class Token(NamedTuple):
    """What a server is shown."""

    value: str
    ends: float | None
    """Time since the epoch in seconds; None: nobody says."""


class NoTokenError(Exception):
    """There is no token; the text says why and what to do, and holds no secret."""

    def __init__(self, text: str, *, lasting: bool = True) -> None:
        super().__init__(text)
        self.lasting = lasting
        """Whether asking again would not help."""


class Tokens:
    """The current token, the same for all calls in flight; a new one is fetched once, in a thread, while they wait."""

    def __init__(self, fetch: Callable[[], Token], now: Callable[[], float] = time.time) -> None:
        """Fetch nothing yet.

        Args:
            fetch: gives a new token; ``NoTokenError`` where it cannot.
            now: the time since the epoch in seconds.
        """
        self._fetch = fetch
        self._now = now
        self._token: Token | None = None
        self._renew_at = float("inf")
        self._lock: asyncio.Lock | None = None

    async def token(self) -> Token:
        """The token to show now.

        Raises:
            NoTokenError: there is none, and no earlier one that is still valid.
        """
        if self._token is not None and self._now() < self._renew_at:
            return self._token
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._token is not None and self._now() < self._renew_at:
                return self._token  # another call has just renewed it
            try:
                new = await asyncio.to_thread(self._fetch)
            except NoTokenError:
                if self._token is not None and self._token.ends is not None and self._now() < self._token.ends:
                    return self._token
                raise
            now = self._now()
            left = None if new.ends is None else max(0.0, new.ends - now)
            self._renew_at = float("inf") if left is None else now + left - min(MARGIN_SECONDS, left / 2)
            self._token = new
            return new

    def refused(self, token: Token) -> None:
        """A server did not take a token: the next call gets another, unless there is one already."""
        if self._token == token:
            self._token = None

    @staticmethod
    def headers(token: Token) -> Mapping[str, str]:
        """The header that shows it."""
        return {"Authorization": f"Bearer {token.value}"}


def entra_tokens(scope: str) -> Tokens:
    """Tokens of whoever azure-identity finds: the environment's service principal, a managed or workload identity, ``az login``.

    Raises:
        MissingError: azure-identity is not installed.
    """
    if find_spec("azure") is None or find_spec("azure.identity") is None:
        raise MissingError("auth=entra needs the package azure-identity, not installed here: pip install 'ehrbench[entra]'")
    made: list[Any] = []

    def fetch() -> Token:
        if not made:  # importing it takes half a second, which no command needs that asks no model
            made.append(import_module("azure.identity").DefaultAzureCredential())
        try:
            found = made[0].get_token(scope)
        except Exception as error:  # azure's own, whose texts name accounts and addresses
            raise NoTokenError(
                f"Microsoft Entra ID gave no token ({type(error).__name__}): run `az login`, or set AZURE_CLIENT_ID, "
                "AZURE_TENANT_ID and AZURE_CLIENT_SECRET, or run where a managed identity is",
                lasting=type(error).__name__ in ("ClientAuthenticationError", "CredentialUnavailableError"),
            ) from None
        return _checked(Token(found.token, float(found.expires_on)), "azure-identity")

    return Tokens(fetch)


def command_tokens(command: str) -> Tokens:
    """Tokens that a command prints: the bare token, or a JSON object with it and its end.

    Raises:
        UsageError: the command is empty or has an open quotation mark.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise UsageError("--model-arg token_command: expected a command that prints a token, as the shell would take it")

    def fetch() -> Token:
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoTokenError(f"token_command: {words[0]} did not run ({type(error).__name__}); try it in a shell") from None
        if done.returncode:
            # What it printed may hold a secret.
            raise NoTokenError(f"token_command: {words[0]} ended with {done.returncode}; run it in a shell to see why")
        return _checked(read_token(done.stdout), f"token_command: {words[0]}")

    return Tokens(fetch)


def _checked(token: Token, source: str) -> Token:
    if not token.value or not token.value.isascii() or not token.value.isprintable() or " " in token.value:
        raise NoTokenError(f"{source} gave no token; expected it alone, or a JSON object with access_token and expires_on")
    return token


def read_token(text: str) -> Token:
    """A token as commands print them: bare, or in JSON as ``az`` and OAuth 2 have it; a bare JWT states its end itself."""
    text = text.strip()
    if not text.startswith("{"):
        return Token(text, _end_of_jwt(text))
    try:
        data = json.loads(text)
    except ValueError:
        return Token("", None)
    value = next((data[name] for name in ("access_token", "accessToken", "token") if isinstance(data.get(name), str)), "")
    return Token(value, _end(data) or _end_of_jwt(value))


def _end(data: Mapping[str, Any]) -> float | None:
    for name in ("expires_on", "expiresOn"):
        value = data.get(name)
        if isinstance(value, (int, float)) or (isinstance(value, str) and value.isdecimal()):
            return float(value)
        if isinstance(value, str):
            try:
                # az writes the machine's own time where it writes no offset.
                return datetime.fromisoformat(value.replace("Z", "+00:00")).astimezone(timezone.utc).timestamp()
            except ValueError:
                continue
    seconds = data.get("expires_in")
    return time.time() + float(seconds) if isinstance(seconds, (int, float)) else None


def _end_of_jwt(token: str) -> float | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None
