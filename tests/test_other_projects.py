"""Run pytest in projects that have nothing to do with this one, in an environment where it is installed."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import NamedTuple

import pytest

pytest_plugins = ["pytester"]

LISTS_MODULES = """
    import os, sys
    from pathlib import Path
    def pytest_unconfigure():
        ours = {"parity", "numpy", "msgspec", "rich", "jinja2", "autograd", "torch", "tensorflow"} & set(sys.modules)
        Path(f"{os.getpid()}.modules").write_text(" ".join(sorted(ours)))
    def pytest_runtest_logreport(report):
        assert not [name for name in vars(report) if "parity" in name]
"""
OPTIONS = """
    def pytest_addoption(parser):
        parser.addoption("--parity-seed", default="theirs")
        parser.getgroup("parity").addoption("--parity-report", action="store_true")
        parser.getgroup("padding-parity").addoption("--parity-full", action="store_true")
"""
FIXTURES = """
    import pytest
    @pytest.fixture
    def parity_results():
        return 7
    @pytest.fixture(params=["a", "b"])
    def parity_trial(request):
        return request.param
    def test_fixture(parity_results):
        assert parity_results == 7
    def test_parameters(parity_trial):
        assert parity_trial in "ab"
    @pytest.mark.parametrize("parity_mutant", ["rnn.lstm", "a-pytorch", "x.csv"])
    def test_arguments(parity_mutant):
        assert parity_mutant
    class TestMethods:
        @pytest.fixture
        def parity_training(self):
            return 7
        def test_method(self, parity_training):
            assert parity_training == 7
"""


class Project(NamedTuple):
    """Files of a project, options for pytest, and how many tests pass."""

    files: dict[str, str]
    options: tuple[str, ...] = ()
    passed: int = 1


TEST = {"test_it.py": "def test_it(): pass"}
THEIRS = {"test_it.py": "def test_it():\n    import parity\n    assert parity.THEIRS"}
PACKAGE = {"parity/__init__.py": "THEIRS = True"}
PACKAGES = {
    "a package": Project(PACKAGE | THEIRS),
    "a module": Project({"parity.py": "THEIRS = True"} | THEIRS),
    "a package that cannot be imported": Project({"parity/__init__.py": "raise RuntimeError"} | TEST),
    "a folder": Project({"parity/data.py": ""} | TEST),
    "tests in a file": Project({"parity.py": "def test_it(): import parity; parity.THEIRS = 1"}, ("parity.py",)),
}
PROJECTS = {
    "tests only": Project(TEST),
    "a package and xdist": Project(PACKAGE | THEIRS, ("-n", "2")),
    "a package and the plugin by name": Project(PACKAGE | THEIRS, ("-p", "padding_parity_plugin")),
    "options": Project({"conftest.py": OPTIONS} | TEST, ("--parity-seed=theirs", "--parity-report", "test_it.py")),
    "fixtures and parameters": Project({"test_it.py": FIXTURES}, passed=7),
    "fixtures, parameters and xdist": Project({"test_it.py": FIXTURES}, ("-n", "2"), passed=7),
    "a run without a terminal": Project(TEST, ("-p", "no:terminal"), passed=0),
    "a strict run": Project(TEST, ("--strict-config", "--strict-markers", "-W", "error")),
    "a list of options": Project(TEST, ("--help",), passed=0),
    "a list of fixtures": Project(TEST, ("--fixtures",), passed=0),
} | PACKAGES


def run_pytest(pytester: pytest.Pytester, project: Project, *python: str) -> pytest.RunResult:
    """Write the files of a project and run its tests; each process lists the modules that it has loaded."""
    for file, text in ({"conftest.py": ""} | project.files).items():
        (pytester.path / file).parent.mkdir(exist_ok=True)
        (pytester.path / file).write_text(dedent(text))
    with (pytester.path / "conftest.py").open("a") as conftest:
        conftest.write(dedent(LISTS_MODULES))
    return pytester.run(sys.executable, *python, "-m", "pytest", "-p", "no:cacheprovider", *project.options)


def assert_nothing_is_noticed(project: Project, run: pytest.RunResult, pytester: pytest.Pytester) -> None:
    """Check that all tests passed, nothing was printed, and no process has loaded our package."""
    assert run.ret == 0
    if project.passed:
        run.assert_outcomes(passed=project.passed)
    assert not [line for line in run.outlines + run.errlines if line.startswith("parity:")]
    loaded = {file.read_text() for file in pytester.path.glob("*.modules")}
    assert loaded
    assert loaded <= {"", "parity" if "THEIRS" in str(project.files) else ""}


@pytest.mark.parametrize("name", PROJECTS)
def test_another_project_does_not_notice_the_plugin(name: str, pytester: pytest.Pytester) -> None:
    """Run ``python -m pytest``, which puts the current folder first on the path."""
    assert_nothing_is_noticed(PROJECTS[name], run_pytest(pytester, PROJECTS[name]), pytester)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_project_with_a_package_of_our_name_does_not_notice_it(name: str, pytester: pytest.Pytester) -> None:
    """Run ``pytest``, which has the folder of a test file on the path when it imports that, and not before."""
    assert_nothing_is_noticed(PACKAGES[name], run_pytest(pytester, PACKAGES[name], "-P"), pytester)


ASKED = {
    "an option": ("def test_it(): pass", ("--parity-seed=1",), pytest.ExitCode.USAGE_ERROR),
    "a fixture": ("def test_it(parity_results): pass", (), pytest.ExitCode.INTERRUPTED),
    "a fixture and xdist": ("def test_it(parity_results): pass", ("-n", "2"), pytest.ExitCode.TESTS_FAILED),
}


@pytest.mark.parametrize("place", ["parity", "parity.py"])
@pytest.mark.parametrize("asked", ASKED)
def test_the_plugin_names_the_package_in_its_way(asked: str, place: str, pytester: pytest.Pytester) -> None:
    text, options, status = ASKED[asked]
    package = {"parity": "parity/__init__.py"}.get(place, place)
    run = run_pytest(pytester, Project({package: "", "test_it.py": text}, options), "-P")
    assert run.ret == status
    printed = run.stderr if status == pytest.ExitCode.USAGE_ERROR else run.stdout
    printed.fnmatch_lines([f"*parity: another package of this name is at {pytester.path / place}, in place of *"])
    assert "Traceback" not in run.stdout.str() + run.stderr.str()


@pytest.mark.parametrize("raises", ["ImportError", "RuntimeError", "SystemExit"])
def test_a_dependency_that_does_not_load_is_named(raises: str, pytester: pytest.Pytester) -> None:
    run = run_pytest(pytester, Project({"msgspec.py": f"raise {raises}('broken')"} | TEST, ("--parity-seed=1",)))
    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([f"ERROR: parity: msgspec cannot be imported: {raises}: broken"])


def test_an_undeclared_mark_of_another_project_is_still_reported(pytester: pytest.Pytester) -> None:
    marked = {"test_it.py": "import pytest\n@pytest.mark.slow\ndef test_it(): pass"}
    run = run_pytest(pytester, Project(marked, ("--strict-markers",)))
    assert run.ret == pytest.ExitCode.INTERRUPTED
    run.stdout.fnmatch_lines(["'slow' not found in `markers` configuration option"])


def test_an_option_with_a_value_does_not_hide_the_folder_of_the_tests(pytester: pytest.Pytester) -> None:
    """Find conftest files as without the option, although pytest knows it only after them."""
    files = {
        "pytest.ini": "[pytest]\ntestpaths = inside",
        "inside/conftest.py": "def pytest_addoption(parser): parser.addoption('--theirs', action='store_true')",
        "inside/test_it.py": "def test_it(): pass",
        "outside/empty.txt": "",
    }
    run = run_pytest(pytester, Project(files, ("--parity-report", "outside", "--theirs")))
    run.assert_outcomes(passed=1)
