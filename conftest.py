"""Share fixtures between all tests; the plugin of pytest brings the matrix of checks and its options."""

from __future__ import annotations

import gc
import importlib.util
import os
from functools import partial

import pytest
from hypothesis import settings

from benchmarks.grid import scale
from parity import frameworks
from parity.errors import InputError
from parity.frameworks import loading
from parity.report import github

# Worker processes run the matrix meanwhile, so that a slow example is no failure. The default profile samples the same
# examples in every run; `pytest --hypothesis-profile=deep` samples others each time.
settings.register_profile("parity", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("deep", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile("parity")

# doctests of a framework that is not installed are not collected: its files import it
absent = [name for name, package in frameworks.EXTRAS.items() if importlib.util.find_spec(package) is None]
SIDES = {
    "pytorch": ("parity/models/pytorch_side.py", "parity/functions/pytorch_modules.py", "parity/pairs/pytorch_*.py"),
    "tensorflow": ("parity/models/keras_side.py", "parity/functions/keras_layers.py", "parity/pairs/keras_*.py"),
}
collect_ignore_glob = [place for framework in absent for place in (f"parity/{framework}/*", *SIDES[framework])]
if "pytorch" in absent:
    collect_ignore_glob.append("parity/functions/checking.py")  # its examples check PyTorch functions
if absent:
    collect_ignore_glob.append("parity/checks/sweep.py")  # its example compares both


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("padding-parity", "PyTorch against TensorFlow on padded sequences")
    group.addoption("--parity-scale", default="default", help="of the benchmarks: tiny, default, gpu, or B,T,D,H")


def pytest_configure(config: pytest.Config) -> None:
    """Check the size of benchmarks once; let tests, and what they start, compute with one thread.

    Tests and two worker processes share the cores, and threads that wait for each other in loops take most of them.
    """
    if not config.getoption("--benchmark-only"):
        for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):  # both are read when a framework is loaded
            os.environ.setdefault(variable, "1")
    try:
        scale(config.getoption("--parity-scale"))
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_finish() -> None:
    """Leave out of all garbage collections what is there before the first test, both frameworks among it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _full_runs(request: pytest.FixtureRequest) -> None:
    """Skip what takes long, unless the run is a full one."""
    if request.node.get_closest_marker("full_run") and not request.config.getoption("--parity-full"):
        pytest.skip("takes long: run with --parity-full")


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish no report of a test; that of the whole run is published after them."""
    for variable in (github.SUMMARY, github.ACTIONS):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture(autouse=True)
def _quick_runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave Hypothesis' plugin out of the runs of pytest that a test starts: its import takes half of their time."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # which discards the options of this run
        monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:hypothesispytest")


@pytest.fixture(params=frameworks.FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    """Return each framework in turn; skip the test where it is missing."""
    return _installed(request.param)


@pytest.fixture
def pytorch() -> str:
    """Return "pytorch"; skip the test where it is missing."""
    return _installed("pytorch")


@pytest.fixture
def tensorflow() -> str:
    """Return "tensorflow"; skip the test where it is missing."""
    return _installed("tensorflow")


def _installed(framework: str) -> str:
    reason, broken = frameworks.unavailable(framework)
    if reason:
        (pytest.fail if broken else pytest.skip)(reason)
    return framework


@pytest.fixture
def without_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if it loads a framework."""
    runtime = loading._runtime
    fail = partial(pytest.fail, "a framework was loaded")
    monkeypatch.setattr(loading, "_runtime", lambda name: fail() if name in frameworks.FRAMEWORKS else runtime(name))
