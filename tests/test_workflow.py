"""Check the workflow for GitHub against README, docs and pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parent.parent
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "parity.yml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OPTIONS = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
(JOB,) = WORKFLOW["jobs"].values()
ROWS: dict[str, dict[str, str]] = {row["name"]: row for row in JOB["strategy"]["matrix"]["include"]}
EXTRAS = PROJECT["optional-dependencies"]


def asked(install: str) -> list[Requirement]:
    """Return what a command installs besides this package."""
    words = re.sub(r'-c \S+|-e "[^"]*"|--\w+', "", install.removeprefix("pip install")).split()
    return [Requirement(word.strip('"')) for word in words]


def range_of(package: str) -> SpecifierSet:
    """Return the versions that pyproject.toml allows."""
    stated = map(Requirement, [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)])
    return next(one.specifier for one in stated if one.name == package)


def test_it_runs_on_changes_and_every_night() -> None:
    triggers = WORKFLOW[True]  # YAML 1.1 takes `on` for a word of yes
    assert {"push", "pull_request", "schedule"} <= set(triggers)
    (cron,) = (entry["cron"] for entry in triggers["schedule"])
    assert re.fullmatch(r"\d+ \d+ \* \* \*", cron)


def test_the_first_row_is_the_command_of_the_readme_and_a_framework_that_does_not_load_fails() -> None:
    pinned = ROWS["pinned"]
    assert f"\n{pinned['install']} && pytest\n" in README
    assert "| `--parity-require pytorch,tensorflow` |" in OPTIONS
    assert pinned["test"] == "pytest --parity-require pytorch,tensorflow"


def test_every_row_runs_the_suite_installed_from_here() -> None:
    for row in ROWS.values():
        assert row["test"].split()[0] == "pytest"
        assert re.search(r'-e "\.\[(test|torch|tensorflow)\]"', row["install"])
        assert Version(row["python"]) in SpecifierSet(PROJECT["requires-python"])


@pytest.mark.parametrize("name", ROWS)
def test_versions_are_within_the_ranges(name: str) -> None:
    """Check that versions are within the ranges, and the oldest ones the lowest that these allow."""
    requirements = asked(ROWS[name]["install"])
    for requirement in requirements:
        allowed = range_of(requirement.name)
        for stated in requirement.specifier:
            version = Version(stated.version.removesuffix(".*"))
            assert version in allowed
            assert f">={version}" in str(allowed)
    if name == "oldest":
        assert {one.name for one in requirements if one.specifier} == {"torch", "tensorflow", "keras", "numpy"}


@pytest.mark.parametrize(("name", "extra"), [("only PyTorch", "torch"), ("only TensorFlow", "tensorflow")])
def test_a_framework_alone_comes_with_what_the_tests_need(name: str, extra: str) -> None:
    row = ROWS[name]
    others = {Requirement(one).name for one in EXTRAS["test"]} - {"padding-parity"}
    assert f'".[{extra}]"' in row["install"]
    assert {one.name for one in asked(row["install"])} == others
    assert row["test"] == f"pytest --parity-require {name.removeprefix('only ').lower()}"


def test_the_pins_are_within_the_ranges() -> None:
    pins = [Requirement(one) for one in (ROOT / "constraints.txt").read_text().splitlines() if not one.startswith("#")]
    for pin in pins:
        (exact,) = pin.specifier
        assert Version(exact.version) in range_of(pin.name), pin


def test_the_page_is_kept_also_when_the_suite_fails() -> None:
    steps: list[dict[str, Any]] = JOB["steps"]
    (kept,) = (step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert (kept["if"], kept["with"]["path"]) == ("always()", "parity-report")
    assert [step["run"] for step in steps if "run" in step] == ["${{ matrix.install }}", "${{ matrix.test }}"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
