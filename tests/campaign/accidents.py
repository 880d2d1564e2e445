"""Kills at random moments, and a disk that fills, of every command that writes; then the same command again."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.campaign.commands import COMMANDS, Command, copy, end, exposed, files, kill, make_world, run, start
from tests.campaign.rows import Row
from tests.support.server import Server

KILLS = 10
FULL = 5
EXPECTED_CODES = (0, 2, 3, 5)


def accidents() -> Iterator[Row]:
    """Two rows: kills, full disks."""
    killed, full = Row("kills of commands that write"), Row("a disk that fills under them")
    with Server(latency=0.01) as server, tempfile.TemporaryDirectory(prefix="campaign-") as place:
        world = Path(place) / "world"
        world.mkdir()
        make_world(world, server.port)
        for command in COMMANDS:
            _try(command, world, Path(place), killed, full)
    yield killed
    yield full


def _try(command: Command, world: Path, place: Path, killed: Row, full: Row) -> None:
    chance = random.Random(command.name)
    whole = copy(world, place / "whole" / command.name.replace(" ", "-"))
    began = time.monotonic()
    ended = run(whole, *command.arguments(whole))
    seconds = time.monotonic() - began
    if ended.code != 0:
        killed.tried += 1
        killed.failed(f"{command.name} ends with {ended.code} when it is left alone", command.name)
        return
    wanted = files(whole)
    root = copy(world, place / "killed" / command.name.replace(" ", "-"))
    for number in range(KILLS):
        killed.tried += 1
        child = start(root, command.arguments(world))
        time.sleep(chance.uniform(0, seconds))
        kill(child)
        if (left := exposed(root)) is not None:
            killed.failed(left, f"first: {command.name}, kill {number}")
    _again(command, world, root, wanted, killed)
    root = copy(world, place / "full" / command.name.replace(" ", "-"))
    for number in range(FULL):
        full.tried += 1
        most = chance.choice([0, 1, 100, 1000, 5000, 20_000])
        ended = end(start(root, command.arguments(world), file_bytes=most))
        if ended.code not in EXPECTED_CODES or "bug" in ended.said:
            full.failed(f"exit code {ended.code}", f"first: {command.name}, files of {most} bytes")
        elif (left := exposed(root)) is not None:
            full.failed(left, f"first: {command.name}, files of {most} bytes, try {number}")
    _again(command, world, root, wanted, full)


def _again(command: Command, world: Path, root: Path, wanted: dict[str, object], row: Row) -> None:
    """The same command, left alone: it ends well, and what lies there is what an uninterrupted one leaves."""
    ended = run(root, *command.arguments(world))
    found = files(root)
    refused_what_is_there = ended.code == 2 and found == wanted
    if ended.code != 0 and not refused_what_is_there:
        row.failed(f"the same command again ends with {ended.code}", f"first: {command.name}")
    elif found != wanted:
        odd = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        row.failed("other files than those of an uninterrupted command", f"first: {command.name}, {odd[0]}")
