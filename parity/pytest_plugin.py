"""Run the checks as pytest tests, and write the report when the session ends.

A test with one of the fixtures of `padding_parity_plugin` runs once for each check (``parity_results``), training run
(``parity_training``), divergence and framework (``parity_trial``) or mutant (``parity_mutant``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from parity.cli.session import Session
from parity.errors import FrameworkUnavailable, InputError, NotWritten, printable

if TYPE_CHECKING:
    from parity.checks.verdict import Verdict

KEPT = pytest.StashKey[int]()  # how many verdicts a test has put into the report
PART = "padding_parity_shard"  # of what a worker of xdist sends at its end
ENCODED = pytest.StashKey[list[str]]()  # of the tasks of a test; JSON, because not every text can travel as it is


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Turn a wrong option into a usage error."""
    try:
        yield
    except (InputError, NotWritten, FrameworkUnavailable) as error:
        raise pytest.UsageError(printable(str(error))) from error


class Plugin:
    """The hooks of a session in which a test or an option of this package is used.

    Args:
        config: of the session.
        option: returns the value of an option.

    Raises:
        UsageError: a wrong option.
    """

    def __init__(self, config: pytest.Config, option: Callable[[str], Any]) -> None:
        with _usage_errors():
            self.session = Session(option, hasattr(config, "workerinput"), getattr(config.option, "usepdb", False))
        self._config = config
        self._fixtures: set[str] = set()
        self._announced = False

    def parametrize(self, metafunc: pytest.Metafunc, fixture: str) -> None:
        """Run a test once for each task of a fixture."""
        self._fixtures.add(fixture)
        tasks = self.session.plan(fixture)
        slow = pytest.mark.parity_slow
        marked = [pytest.param(task, marks=slow if getattr(task, "slow", False) else ()) for task in tasks]
        metafunc.parametrize(fixture, marked, ids=list(map(str, tasks)), indirect=True)

    def _tasks(self, item: pytest.Item) -> list[Any]:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        values = (params[fixture] for fixture in params if fixture in self._fixtures)
        return [value for value in values if hasattr(value, "on_crash")]  # others are parameters of this name

    def pytest_report_header(self) -> list[str]:
        """Return what the session depends on, if an option loaded the package before any test was collected."""
        self._announced = True
        return self.session.header()

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> list[str]:
        """Return what the session depends on, if its tests do."""
        return self._header() if any(map(self._tasks, items)) else []

    def _header(self) -> list[str]:
        option = self._config.option
        if self._announced or option.verbose < 0 or option.no_header:
            return []
        return self.pytest_report_header()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests of this shard; move those with tasks, which worker processes run, to the end.

        The other tests run here meanwhile.
        """
        if self.session.shard:
            self._keep_shard(items)
        items.sort(key=lambda item: bool(self._tasks(item)))

    def _keep_shard(self, items: list[pytest.Item]) -> None:
        """Deselect the tests of other shards, after all that other plugins deselect."""
        from parity.cli.shards import OtherTest

        tasks = [self._tasks(item) for item in items]
        names = [item.nodeid for item in items]
        tests = [next(iter(of_item), OtherTest(name)) for of_item, name in zip(tasks, names, strict=True)]
        inside = self.session.keep_shard(tests, names, [task for of_item in tasks for task in of_item])
        deselected = [item for item, kept in zip(items, inside, strict=True) if not kept]
        items[:] = [item for item, kept in zip(items, inside, strict=True) if kept]
        if deselected:
            self._config.hook.pytest_deselected(items=deselected)
        if self.session.is_worker:
            self._config.workeroutput[PART] = self.session.encoded_part()  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Keep what a worker of xdist knows of the shard."""
        if encoded := getattr(node, "workeroutput", {}).get(PART):
            with _usage_errors():
                self.session.receive_part(encoded)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Begin the report, and start worker processes, unless nothing runs or they would disturb a benchmark."""
        idle = ("collectonly", "setupplan", "benchmark_only")
        if any(getattr(self._config.option, name, False) for name in idle):
            return
        if tasks := [task for item in session.items for task in self._tasks(item)]:
            with _usage_errors():
                self.session.start(tasks)
        elif self.session.is_divided:
            with _usage_errors():
                self.session.start([])
        if any(map(_makes_verdicts, session.items)):
            with _usage_errors():
                self.session.begin_if_asked()

    def expect(self, ids: Sequence[str]) -> None:
        """Begin the report of tests that xdist's workers collected."""
        with _usage_errors():
            began = self.session.expect(ids)
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if began and reporter:
            for line in self._header():
                reporter.write_line(line)

    def keep(self, item: pytest.Item, verdict: Verdict, name: str) -> None:
        """Put a verdict of a test into the report, under a name or that of the test; those of one name are joined."""
        number = item.stash[KEPT] = item.stash.get(KEPT, 0) + 1
        test = item.nodeid if number == 1 else f"{item.nodeid} ({number})"
        encoded = self.session.keep_verdict(test, name or test, verdict)
        item.stash.setdefault(ENCODED, []).append(encoded)

    def results(self, request: pytest.FixtureRequest) -> list[Any]:
        """Return the results of a test's task, and put them into the report."""
        if not hasattr(request, "param"):  # as for ``getfixturevalue`` and tests of unittest
            name = request.fixturename
            pytest.fail(f"{name} has no task here: it must be an argument of the test function", pytrace=False)
        task = request.param
        results = self.session.results_of(task)
        request.node.stash.setdefault(ENCODED, []).append(self.session.keep(task, results))
        if results and all(result.status == "skipped" for result in results):
            pytest.skip(results[0].reason)
        return results

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let results travel, once, with a report of their test, which crosses processes under xdist."""
        report = yield
        if report.when == "setup" and report.skipped and ENCODED not in item.stash:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "not run"
            item.stash[ENCODED] = [self.session.skip(task, reason) for task in self._tasks(item)]
        encoded = [text for text in item.stash.get(ENCODED, []) if text]
        if encoded:
            report.padding_parity = encoded  # type: ignore[attr-defined]
            item.stash[ENCODED] = []
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the results that a worker of xdist sent with a report of a test."""
        for encoded in () if self.session.is_worker else getattr(report, "padding_parity", ()):
            with _usage_errors():
                self.session.receive(encoded)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report, and fail a session whose report counts as a failure."""
        if (
            session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
            and self.session.part
            and self.session.part.selection
        ):
            session.exitstatus = pytest.ExitCode.OK  # other shards have tests
        passed = self.session.finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
        if not passed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self.session.messages.append("parity: failed: the run fails, although no test did")
            if getattr(self._config.option, "no_summary", True):  # no plugin of the terminal, or no summary
                print("", *self.session.messages, sep="\n", file=sys.stderr)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the verdict, and where the report is."""
        if messages := self.session.messages:
            terminalreporter.section("parity")
            for message in messages:  # pytest escapes what an encoding lacks, and then all of a line
                terminalreporter.line(printable(message))


def _makes_verdicts(item: pytest.Item) -> bool:
    """Tell whether a test is made by ``@parity.model`` or ``@parity.function``, or has the fixture for verdicts."""
    made = getattr(getattr(item, "function", None), "makes_verdicts", False)
    return made or "parity_report" in getattr(item, "fixturenames", ())
