"""Who may ask: a token in the first address becomes a cookie, and every request's host and origin are checked.

Against DNS rebinding (a foreign name that resolves to this machine), against other pages in the same browser, and against other
programs on this machine: cookies do not tell ports apart, so the ``Sec-Fetch-Site`` header, which does, is checked too.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from hashlib import sha256
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from ehrbench.errors import EhrbenchError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
VISITOR: ContextVar[str] = ContextVar("visitor")
"""Who asks, as ``Doors.visitor`` said; set for the handler of a request."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not 'no-referrer', with which browsers send 'Origin: null' even to the page's own server.
    "Referrer-Policy": "same-origin",
    "Server": "ehrbench",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Doors(Protocol):
    """Tokens and cookies of one server."""

    def enter(self, token: str) -> str | None:
        """The cookie that a token is exchanged for; None for a wrong token."""

    def visitor(self, cookie: str) -> str | None:
        """Who holds a cookie; None for one that was never given."""


class OneDoor:
    """One person, the one who started the server; token and cookie last as long as the process."""

    def __init__(self, name: str = "you") -> None:
        """Make a fresh token."""
        self.token = secrets.token_urlsafe(24)
        self._name = name
        self._cookies: set[bytes] = set()

    def enter(self, token: str) -> str | None:
        """See ``Doors``."""
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        cookie = secrets.token_urlsafe(24)
        self._cookies.add(digest(cookie))
        return cookie

    def visitor(self, cookie: str) -> str | None:
        """See ``Doors``."""
        return self._name if digest(cookie) in self._cookies else None


def digest(secret: str) -> bytes:
    """What is kept of a secret, and compared: its hash."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Gate:
    """The middleware through which every request goes."""

    def __init__(
        self,
        doors: Doors,
        policy: str,
        message: Callable[[int, str, str], web.Response],
        tell: Callable[[str], object] = lambda line: print(line, file=sys.stderr),  # noqa: T201
    ) -> None:
        """Make the gate of one server.

        Args:
            doors: tokens and cookies.
            policy: the content security policy of every response.
            message: makes a page of a status, a title and a sentence.
            tell: told of bugs, without their messages, which may quote a record.
        """
        self._doors = doors
        self._policy = policy
        self._message = message
        self._tell = tell
        self._hosts: frozenset[str] = frozenset()
        self._scheme = "http"
        self.cookie = ""
        self.last_request = time.monotonic()

    def open_at(self, scheme: str, hosts: Collection[str], port: int) -> None:
        """Say where the server listens, before its first request."""
        self._scheme = scheme
        self._hosts = frozenset(host if port == (443 if scheme == "https" else 80) else f"{host}:{port}" for host in hosts)
        # Cookies do not tell ports apart, so two servers of one person need two names.
        self.cookie = f"ehrbench-{port}"

    def install(self, app: web.Application) -> None:
        """Put the gate in front of an application, with its entrance."""
        app.middlewares.append(self._middleware())
        app.router.add_get("/enter/{token}", self._enter)
        app.on_response_prepare.append(self._protect)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                if (refused := self._refused(request)) is not None:
                    return refused
                self.last_request = time.monotonic()
                return await handler(request)
            except web.HTTPNotFound:
                return self._message(404, "There is no such page", "The address names nothing that can be shown here.")
            except web.HTTPMethodNotAllowed:
                return self._message(405, "This cannot be done here", "Go back and use the page's own buttons.")
            except web.HTTPException:
                raise
            except EhrbenchError as error:
                return self._message(409, "This cannot be shown", f"{error}.")
            except Exception as error:
                self._report(error)
                return self._message(500, "Something went wrong here", "What was saved is kept. Reload the page to continue.")

        return gate

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.host not in self._hosts:
            return self._message(400, "Wrong address", "This server answers only under the address it printed.")
        origin = request.headers.get("Origin")
        own = f"{self._scheme}://{request.host}"
        entering = request.path.startswith("/enter/") and request.method == "GET"
        if origin is not None and origin != own:
            return self._message(403, "Refused", "The request came from a page of another site.")
        if request.method not in ("GET", "HEAD") and origin is None:
            return self._message(403, "Refused", "The request does not say which page it came from.")
        if not entering and request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return self._message(403, "Refused", "The request came from a page of another site.")
        if entering:
            return None
        visitor = self._doors.visitor(request.cookies.get(self.cookie, ""))
        if visitor is None:
            return self._message(403, "No entrance", "Open the link that this server printed, or your own.")
        VISITOR.set(visitor)
        return None

    async def _enter(self, request: web.Request) -> web.Response:
        cookie = self._doors.enter(request.match_info["token"])
        if cookie is None:
            return self._message(403, "No entrance", "This link is not, or no longer, valid. Ask for a new one.")
        # A page, not a redirect: after a click on another site, browsers keep a strict cookie back on redirects.
        response = self._message(200, "Welcome", "")
        response.set_cookie(self.cookie, cookie, httponly=True, samesite="Strict", path="/", secure=self._scheme == "https")
        return response

    async def _protect(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        response.headers["Content-Security-Policy"] = self._policy

    def _report(self, error: Exception) -> None:
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = "" if frame is None else f" at {frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
        self._tell(
            f"ehrbench: this is a bug: {type(error).__name__}{place}; its message is withheld, because it may quote a record"
        )
