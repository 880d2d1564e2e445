"""``--log-to SERVICE[:PLACE]``: which services there are, where each would write, and whether that is on this machine."""

from __future__ import annotations

import netrc
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.models.server.endpoint import is_loopback
from ehrbench.runs.approvals import origin
from ehrbench.runs.loggers.logger import Logger

_WANDB = "https://api.wandb.ai"
_HUB = "https://huggingface.co"


class Place(NamedTuple):
    """Where a service writes."""

    name: str
    """What its own package is given."""
    address: str | None = None
    """Where that is on the network; None: a file of this machine."""
    needs: tuple[str, ...] = ()
    """Further packages."""
    login: str | None = None
    """How to log in; None where somebody is, or where nobody has to be."""


class Service(NamedTuple):
    """A service that keeps numbers of runs."""

    place: Callable[[str, Path], Place]
    """From what the user wrote after the colon, and from the folder of the runs."""
    local: str
    """What makes it write to this machine."""


def split(text: str) -> tuple[str, str]:
    """The service and the place of ``SERVICE[:PLACE]``; an empty place is the service's own default.

    Raises:
        UsageError: no such service.
    """
    name, _, place = text.strip().partition(":")
    if name not in SERVICES:
        raise UsageError(f"--log-to {name}: {unknown_name('service', name, SERVICES)}")
    return name, place


def loggers(given: str | Sequence[str], out: Path) -> tuple[Logger, ...]:
    """The loggers that are asked for; nothing is opened yet, and nobody is asked.

    Args:
        given: ``SERVICE[:PLACE]``, one or several.
        out: folder of the runs, in which what is kept on this machine is put.

    Raises:
        UsageError: no such service, a place that is none, one service twice, or nobody is logged in.
        MissingError: a package is not installed.
    """
    found: dict[str, Logger] = {}
    for text in [given] if isinstance(given, str) else given:
        name, asked = split(text)
        if name in found:
            raise UsageError(f"--log-to {name} is given twice; give each service once")
        place = SERVICES[name].place(asked, out.expanduser().absolute())
        if absent := [package for package in (name, *place.needs) if not _is_installed(package)]:
            raise MissingError(
                f"--log-to {name} needs {' and '.join(absent)}, not installed here: pip install 'ehrbench[{name}]'"
            )
        if place.login is not None:
            local = SERVICES[name].local
            raise UsageError(f"--log-to {name}: nobody is logged in; {place.login}, or log on this machine: --log-to {local}")
        away = place.address is not None and not is_loopback(place.address)
        endpoint = origin(place.address) if away and place.address is not None else None
        found[name] = Logger(name, place.name, out.expanduser().absolute(), endpoint, SERVICES[name].local)
    return tuple(found.values())


def _is_installed(package: str) -> bool:
    """A folder of that name, such as the one that wandb keeps its runs in, is no package."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def _mlflow(asked: str, out: Path) -> Place:
    given = asked or os.environ.get("MLFLOW_TRACKING_URI") or str(out)
    scheme = given.partition(":")[0] if "://" in given or given.startswith(("sqlite:", "file:")) else ""
    if scheme in ("http", "https"):
        _refuse_parts(given)
        return Place(given, given)
    if scheme not in ("", "sqlite", "file"):
        raise UsageError(
            f"--log-to mlflow: {scheme}: is no place of ours: expected a folder, sqlite:///FILE or http(s)://HOST:PORT"
        )
    name = given if scheme else f"sqlite:///{Path(given).expanduser().absolute() / 'mlflow.db'}"
    return Place(name, needs=("sqlalchemy", "alembic") if name.startswith("sqlite:") else ())


def _wandb(asked: str, out: Path) -> Place:
    mode = os.environ.get("WANDB_MODE", "online")
    if not asked and mode not in ("online", "run", "offline", "dryrun"):
        raise UsageError(f"--log-to wandb: WANDB_MODE is '{mode}'; set it to online or offline, or give --log-to wandb:offline")
    if asked == "offline" or (not asked and mode in ("offline", "dryrun")):
        return Place("offline")
    address = asked or os.environ.get("WANDB_BASE_URL") or _WANDB
    if not address.startswith(("http://", "https://")):
        raise UsageError(f"--log-to wandb:{asked}: expected wandb, wandb:offline or wandb:https://HOST")
    _refuse_parts(address)
    known = any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")) or _in_netrc(address)
    return Place(address, address, login=None if known else f"`wandb login --host {address}` does that")


def _trackio(asked: str, out: Path) -> Place:
    given = asked or os.environ.get("TRACKIO_SPACE_ID") or os.environ.get("TRACKIO_SERVER_URL") or "local"
    if given == "local":
        return Place("local")
    if given.startswith(("http://", "https://")):
        _refuse_parts(given)
        token = os.environ.get("TRACKIO_WRITE_TOKEN")
        return Place(given, given, login=None if token else "put the server's write token into TRACKIO_WRITE_TOKEN")
    if given.count("/") != 1:
        raise UsageError(f"--log-to trackio:{given}: expected trackio:local, trackio:OWNER/SPACE or trackio:http(s)://HOST:PORT")
    return Place(given, _HUB, login=None if _on_the_hub() else "`hf auth login` does that")


SERVICES: Mapping[str, Service] = {
    "mlflow": Service(_mlflow, "mlflow:FOLDER"),
    "wandb": Service(_wandb, "wandb:offline"),
    "trackio": Service(_trackio, "trackio:local"),
}


def _refuse_parts(address: str) -> None:
    """An address may hold no secret: it is shown, and kept beside the run."""
    parts = urlsplit(address)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"--log-to: the address of {parts.hostname} holds a user, a query or a fragment; give http(s)://HOST:PORT, and "
            "secrets in the service's own environment variables"
        )


def _in_netrc(address: str) -> bool:
    """Whether wandb's own file of keys has one for a server."""
    homes = [Path.home() / ".netrc", Path.home() / "_netrc"]
    own = os.environ.get("NETRC")
    for path in [Path(own).expanduser()] if own else homes:
        try:
            if netrc.netrc(path).authenticators(urlsplit(address).netloc) is not None:
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False


def _on_the_hub() -> bool:
    """Whether the Hugging Face hub has a token here; its package may not be imported before it is told to stay offline."""
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    return Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser().is_file()
