"""What all tests share. The matrix of checks and its options come from the plugin, `parity.pytest_plugin`."""

from __future__ import annotations

import importlib.util
from functools import partial

import pytest
from hypothesis import settings

from benchmarks.grid import scale
from parity import frameworks
from parity.errors import InputError
from parity.frameworks import loading
from parity.report import github

# The matrix runs in other processes meanwhile: a slow example says nothing about the code. A run finds what the last
# one found; what nobody has seen is looked for by `pytest --hypothesis-profile=deep`, anew each time.
settings.register_profile("parity", deadline=None, max_examples=100, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("parity")

# a framework's files import their framework; where it is missing, its doctests are not collected
collect_ignore_glob = [
    f"parity/{framework}/*" for framework, extra in frameworks.EXTRAS.items() if importlib.util.find_spec(extra) is None
]

if importlib.util.find_spec("torch") is None:
    collect_ignore_glob.append("parity/checks/check.py")  # its example holds a PyTorch function to a contract


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity")
    group.addoption("--parity-scale", default="default", help="of the benchmarks: tiny, default, gpu, or B,T,D,H")


def pytest_configure(config: pytest.Config) -> None:
    """A wrong size is said once, not by every benchmark."""
    try:
        scale(config.getoption("--parity-scale"))
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.fixture(autouse=True)
def _not_in_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that tests make are none of GitHub's business; that of the whole run is, and is made behind them."""
    for variable in (github.SUMMARY, github.ACTIONS):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(params=frameworks.FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    """Each framework in turn; skipped, by name, where it is missing."""
    if reason := frameworks.missing(request.param):
        pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def without_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if one is asked for."""
    runtime = loading._runtime
    fail = partial(pytest.fail, "a framework was loaded")
    monkeypatch.setattr(loading, "_runtime", lambda name: fail() if name in frameworks.FRAMEWORKS else runtime(name))


@pytest.fixture
def pytorch() -> str:
    if reason := frameworks.missing("pytorch"):
        pytest.skip(reason)
    return "pytorch"


@pytest.fixture
def tensorflow() -> str:
    if reason := frameworks.missing("tensorflow"):
        pytest.skip(reason)
    return "tensorflow"
