"""Check the workflows for GitHub against README, docs and pyproject.toml."""

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

from parity import report
from parity.cli import session

ROOT = Path(__file__).parent.parent
TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / ".github" / "workflows").glob("*.yml")}
WORKFLOWS: dict[str, dict[Any, Any]] = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
WORKFLOW, RELEASE, SITE = (WORKFLOWS[name] for name in ("parity", "release", "site"))
GATE = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JOB, MERGING = (WORKFLOW["jobs"][name] for name in ("shard", "report"))
ROWS: dict[str, dict[str, str]] = {row["name"]: row for row in JOB["strategy"]["matrix"]["include"]}
EXTRAS = PROJECT["optional-dependencies"]
PINNED = [one.split("==") for one in (ROOT / "constraints.txt").read_text().splitlines() if not one.startswith("#")]
PINS = {name: Version(version) for name, version in PINNED}


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
    assert pinned["test"] == "pytest --parity-require pytorch,tensorflow"


def test_every_row_runs_the_suite_installed_from_here() -> None:
    for row in ROWS.values():
        assert row["test"].split()[0] == "pytest"
        assert re.search(r'pip install .*-e "\.\[(test|torch|tensorflow)\]"', row["install"])
        assert Version(row["python"]) in SpecifierSet(PROJECT["requires-python"])


def test_the_oldest_versions_are_derived_and_no_second_list() -> None:
    """Check how they are installed; `test_packaging` compares those that are."""
    tool, resolve, install = ROWS["oldest"]["install"].split(" && ")
    assert tool == "pip install -c constraints.txt uv"
    assert resolve.startswith("uv pip compile ")
    options = {"--resolution lowest-direct", "--extra test", "--output-file lowest.txt"}
    assert {option for option in options if option in resolve} == options
    assert install == 'pip install -c lowest.txt -e ".[test]"'
    assert not re.search(r"\d\.\d", ROWS["oldest"]["install"])


@pytest.mark.parametrize(("name", "extra"), [("only PyTorch", "torch"), ("only TensorFlow", "tensorflow")])
def test_a_framework_alone_comes_with_what_the_tests_need(name: str, extra: str) -> None:
    row = ROWS[name]
    others = {Requirement(one).name for one in EXTRAS["test"]} - {"padding-parity"}
    assert f'".[{extra}]"' in row["install"]
    assert {one.name for one in asked(row["install"])} == others
    assert row["test"] == f"pytest --parity-require {name.removeprefix('only ').lower()}"


def test_the_pins_are_within_the_ranges() -> None:
    for name, version in PINS.items():
        assert name == "uv" or version in range_of(name), name  # no part of the project: the job of the oldest versions


def test_every_requirement_is_pinned() -> None:
    stated = {Requirement(one).name for extra in (PROJECT["dependencies"], *EXTRAS.values()) for one in extra}
    assert stated - {PROJECT["name"]} == PINS.keys() - {"uv"}


def test_actions_are_pinned_to_commits_and_no_token_stays() -> None:
    """Check that nobody can change what runs by moving a tag, and that no later step finds a token."""
    uses = [action for text in TEXTS.values() for action in re.findall(r"uses: (.*)", text)]
    steps = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job["steps"]]
    assert len(uses) == sum("uses" in step for step in steps)
    for action in uses:
        assert re.fullmatch(r"(actions|pypa)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)
    assert len({action.partition("@")[0] for action in uses}) == len(set(uses)), "an action in two versions"
    checkouts = [step for step in steps if "actions/checkout" in step.get("uses", "")]
    assert [step["with"] for step in checkouts] == [{"persist-credentials": False}] * 4
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())


def test_the_page_is_kept_also_when_the_suite_fails() -> None:
    for job, folder in ((JOB, session.FOLDER), (MERGING, report.FOLDER)):
        (kept,) = (step for step in job["steps"] if "upload-artifact" in step.get("uses", ""))
        assert (kept["if"], kept["with"]["path"]) == ("always()", folder)


def test_five_shards_run_the_suite_and_one_job_merges_their_reports() -> None:
    matrix = JOB["strategy"]["matrix"]
    shards = matrix["shard"]
    assert shards == list(range(1, len(shards) + 1)) == [1, 2, 3, 4, 5]
    assert matrix["name"] == list(ROWS) == MERGING["strategy"]["matrix"]["name"]
    nightly = "${{ github.event_name == 'schedule' && '--parity-full' || '' }}"
    test = f"${{{{ matrix.test }}}} --parity-shard ${{{{ matrix.shard }}}}/{len(shards)} {nightly}"
    assert [step["run"] for step in JOB["steps"] if "run" in step] == ["${{ matrix.install }}", test]
    (kept,) = (step["with"]["name"] for step in JOB["steps"] if "upload-artifact" in step.get("uses", ""))
    (taken,) = (step["with"] for step in MERGING["steps"] if "download-artifact" in step.get("uses", ""))
    assert taken["pattern"] == kept.replace("${{ matrix.shard }}", "*")
    install, merge = (step["run"] for step in MERGING["steps"] if "run" in step)
    assert install == "pip install -c constraints.txt -e ."
    assert merge == f"parity merge {taken['path']}/*"
    assert (MERGING["needs"], MERGING["if"]) == ("shard", "${{ !cancelled() }}")
    assert MERGING["continue-on-error"] == JOB["continue-on-error"]


def commands(job: dict[str, Any]) -> list[str]:
    """Return what the steps of a job run."""
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_gate_builds_the_site_and_the_release_as_the_workflows_do() -> None:
    (site,) = (one for one in commands(SITE["jobs"]["build"]) if one.startswith("sphinx-build"))
    assert site == "sphinx-build -W --keep-going docs build/site"
    assert "\nsphinx-build -W --keep-going -q docs build/site\n" in GATE
    for command in ("python -m build", "twine check --strict"):
        assert any(one.startswith(command) for one in commands(RELEASE["jobs"]["build"]))
        assert f"\n{command}" in GATE


def test_the_site_has_the_report_of_the_pinned_versions() -> None:
    """Expect the artefact's name of the suite's own workflow, and nothing of a pull request."""
    assert SITE[True]["workflow_run"] == {"workflows": [WORKFLOW["name"]], "types": ["completed"], "branches": ["main"]}
    (kept,) = (step["with"]["name"] for step in MERGING["steps"] if "upload-artifact" in step.get("uses", ""))
    build, deploy = SITE["jobs"]["build"], SITE["jobs"]["deploy"]
    (taken,) = (step["with"] for step in build["steps"] if "download-artifact" in step.get("uses", ""))
    assert taken["name"] == kept.replace("${{ matrix.name }}", "pinned")
    assert "github.event.workflow_run.event != 'pull_request'" in build["if"]
    assert "github.event_name != 'pull_request'" in deploy["if"]
    assert deploy["permissions"] == {"pages": "write", "id-token": "write"}


def test_a_pull_request_builds_the_release_and_only_a_tag_publishes_it() -> None:
    build, publish = RELEASE["jobs"]["build"], RELEASE["jobs"]["publish"]
    assert "pull_request" in RELEASE[True]
    assert "if" not in build
    assert (publish["needs"], publish["permissions"]) == ("build", {"id-token": "write"})
    assert "startsWith(github.ref, 'refs/tags/v')" in publish["if"]
    assert not re.search(r"password|secrets\.", TEXTS["release"])
