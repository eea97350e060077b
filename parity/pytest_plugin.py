"""Run the checks as pytest tests, and write the report when the session ends.

A test with one of these fixtures runs once for each check (``parity_results``), training run (``parity_training``),
divergence and framework (``parity_trial``) or mutant (``parity_mutant``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from parity.checks.result import Result
    from parity.cli.session import Session
    from parity.divergences import Trial
    from parity.mutants import MutantResult

OUTPUT = "parity-report"
FIXTURES = ("parity_results", "parity_training", "parity_trial", "parity_mutant")
SESSION: pytest.StashKey[Session] = pytest.StashKey()
ENCODED = pytest.StashKey[str]()  # JSON: not every text can travel as it is


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "PyTorch against TensorFlow on padded sequences")
    group.addoption("--parity-report", metavar="DIR", default=OUTPUT, help=f"write the report here (default {OUTPUT})")
    group.addoption("--parity-seed", metavar="N", type=int, default=0, help="sample cases with this seed (default 0)")
    group.addoption("--parity-require", metavar="FRAMEWORK,…", default="", help="fail at once if one does not load")
    group.addoption("--parity-full", action="store_true", help="add what takes long: compiled modes, narrow dtypes")
    group.addoption("--parity-replay", metavar="DIR", help="compare with the recording in this folder too")
    group.addoption("--parity-device", help="run on auto, cpu or cuda (default: cpu for checks, auto for benchmarks)")
    group.addoption("--parity-tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")
    group.addoption("--parity-jobs", metavar="N", type=int, help="worker processes (default: one a core, up to 4)")


def pytest_configure(config: pytest.Config) -> None:
    from parity.cli.session import Session

    config.addinivalue_line("markers", "slow: run only with --parity-full: compiled modes and narrow dtypes")
    with _usage_errors():
        config.stash[SESSION] = Session(config.getoption, is_worker=hasattr(config, "workerinput"))
    config.pluginmanager.register(config.stash[SESSION], "parity-report")


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn a wrong option into a usage error."""
    from parity.errors import FrameworkUnavailable, InputError, NotWritten

    try:
        yield
    except (InputError, NotWritten, FrameworkUnavailable) as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[SESSION].header()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture in (name for name in FIXTURES if name in metafunc.fixturenames):
        tasks = metafunc.config.stash[SESSION].plan(fixture)
        marked = [pytest.param(task, marks=pytest.mark.slow if getattr(task, "slow", False) else ()) for task in tasks]
        metafunc.parametrize(fixture, marked, ids=list(map(str, tasks)), indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Move tests whose tasks run in worker processes to the end: the other tests run here meanwhile."""
    items.sort(key=lambda item: any(config.stash[SESSION].in_worker(task) for task in _tasks(item)))


def pytest_collection_finish(session: pytest.Session) -> None:
    tasks = [task for item in session.items for task in _tasks(item)]
    option = session.config.option
    if tasks and not option.collectonly and not getattr(option, "benchmark_only", False):  # workers would disturb it
        with _usage_errors():
            session.config.stash[SESSION].start(tasks)


def _tasks(item: pytest.Item) -> list[Any]:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    return [params[fixture] for fixture in FIXTURES if fixture in params]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Begin the report under xdist, where only the ids of tests reach the process that writes it."""
    with _usage_errors():
        node.config.stash[SESSION].expect(ids)


@pytest.fixture
def parity_results(request: pytest.FixtureRequest) -> list[Result]:
    """Return the results of one check; skip the test if its framework is missing."""
    return cast("list[Result]", _results(request))


@pytest.fixture
def parity_training(request: pytest.FixtureRequest) -> list[Result]:
    """Return the results of one training run; skip the test if its framework is missing."""
    return cast("list[Result]", _results(request))


@pytest.fixture
def parity_trial(request: pytest.FixtureRequest) -> Trial:
    """Return the trial of one divergence in one framework; skip the test if that is missing."""
    return cast("Trial", _results(request)[0])


@pytest.fixture
def parity_mutant(request: pytest.FixtureRequest) -> MutantResult:
    """Return the result of one mutant; skip the test if its framework is missing."""
    return cast("MutantResult", _results(request)[0])


def _results(request: pytest.FixtureRequest) -> Any:
    """Return the results of a test's task, and put them into the report."""
    session, task = request.config.stash[SESSION], request.param
    results = session.results_of(task)
    request.node.stash[ENCODED] = session.keep(task, results)
    if results and all(result.status == "skipped" for result in results):
        pytest.skip(results[0].reason)
    return results


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let results travel, once, with a report of their test, which crosses processes under xdist."""
    report = yield
    report.parity = item.stash.get(ENCODED, "")  # type: ignore[attr-defined]
    item.stash[ENCODED] = ""
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    written = session.config.stash[SESSION].finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
    if not written and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if messages := config.stash[SESSION].messages:
        terminalreporter.section("parity")
        terminalreporter.line("\n".join(messages))
