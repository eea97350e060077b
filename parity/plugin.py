"""The pytest plugin: options, ids, one call into the pipeline for each check, and the report at the end.

A test that asks for the fixture ``parity_findings`` becomes one test for each check of the matrix, with ids such
as ``rnn.lstm-pytorch.packed-float32-ignores_padding``; with ``parity_trial``, one for each divergence and wing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.divergences import Trial
    from parity.findings import Finding
    from parity.runner import Runner, Task

OUTPUT = "parity-report"
CHECKED = ("parity_findings", "parity_training")  # fixtures that give findings
IN_WORKERS = ("parity_findings", "parity_trial")  # fixtures whose verdicts come from worker processes


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "PyTorch against TensorFlow on padded sequences")
    group.addoption("--parity-report", metavar="DIR", default=OUTPUT, help=f"where the report goes (default {OUTPUT})")
    group.addoption("--parity-seed", metavar="N", type=int, default=0, help="seed of the drawn cases (default 0)")
    group.addoption("--parity-require", metavar="WING,…", default="", help="fail at once if one of these does not load")
    group.addoption("--parity-full", action="store_true", help="also what takes long: compiled modes, narrow dtypes")
    group.addoption("--parity-jobs", metavar="N", type=int, help="worker processes (default: one a core, at most 4)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: only in a full run, --parity-full: compiled modes and narrow dtypes")
    config.stash[SESSION] = Session(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[SESSION].header()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, tasks in metafunc.config.stash[SESSION].plans.items():
        if fixture in metafunc.fixturenames:
            marked = [_marked(task) for task in tasks()]
            metafunc.parametrize(fixture, marked, ids=str, indirect=True)


def _marked(task: Task) -> Any:
    return pytest.param(task, marks=pytest.mark.slow) if getattr(task, "slow", False) else task


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the matrix last: worker processes run it while the other tests run here."""
    items.sort(key=lambda item: _task_of(item) is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    tasks = [task for item in session.items if (task := _task_of(item))]
    session.config.stash[SESSION].planned = sum(
        any(name in _params(item) for name in CHECKED) for item in session.items
    )
    others_only = session.config.getoption("benchmark_only", False)  # pytest-benchmark: our workers would disturb it
    if tasks and not session.config.option.collectonly and not others_only:
        session.config.stash[SESSION].start(tasks)


def _task_of(item: pytest.Item) -> Task | None:
    params = _params(item)
    return next((params[fixture] for fixture in IN_WORKERS if fixture in params), None)


def _params(item: pytest.Item) -> dict[str, Any]:
    spec = getattr(item, "callspec", None)
    return spec.params if spec else {}


@pytest.fixture
def parity_findings(request: pytest.FixtureRequest) -> list[Finding]:
    """The findings of one check of the matrix; skips, by name, when its framework is not installed."""
    findings = request.config.stash[SESSION].verdict_on(request.param)
    request.node.stash[GIVEN] = {"findings": [finding.as_dict() for finding in findings]}
    if findings and all(finding.status == "skipped" for finding in findings):
        pytest.skip(findings[0].reason)
    return findings


@pytest.fixture
def parity_trial(request: pytest.FixtureRequest) -> Trial:
    """One wing's snippet of one divergence, tried today; skips, by name, when its framework is not installed."""
    (trial,) = request.config.stash[SESSION].verdict_on(request.param)
    request.node.stash[GIVEN] = {"trial": asdict(trial)}
    if trial.missing:
        pytest.skip(trial.missing)
    return trial  # type: ignore[no-any-return]


@pytest.fixture
def parity_training(request: pytest.FixtureRequest) -> list[Finding]:
    """The findings of one model trained with one optimiser in one framework, and its curve for the report.

    It runs in this process, where whoever asks for the same run finds it remembered.
    """
    from parity import training

    run = request.param
    findings: list[Finding] = run.run()
    request.node.stash[GIVEN] = {"findings": [finding.as_dict() for finding in findings]}
    if findings[0].status == "skipped":
        pytest.skip(findings[0].reason)
    curve = training.growth(run.model, run.optimiser, steps=run.steps, seed=run.seed)
    request.node.stash[GIVEN]["curve"] = curve
    return findings


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a fixture gave travel with the test's own report, which also crosses processes under xdist."""
    report = yield
    report.parity = item.stash.get(GIVEN, {})  # type: ignore[attr-defined]
    runner = item.config.stash[SESSION].runner
    report.parity_environment = dict(runner.environment) if runner else {}  # type: ignore[attr-defined]
    if call.when != "teardown" and GIVEN in item.stash:
        del item.stash[GIVEN]
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[SESSION].finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if said := config.stash[SESSION].said:
        terminalreporter.section("parity")
        terminalreporter.line(said)


class Session:
    """What one pytest run has planned, found and written."""

    def __init__(self, config: pytest.Config) -> None:
        from parity import wings
        from parity.errors import InputError, choose, whole_number

        self.config = config
        self.folder: str = config.getoption("--parity-report")
        self.seed: int = config.getoption("--parity-seed")
        self.planned = 0
        self.findings: list[dict[str, Any]] = []
        self.trials: list[dict[str, Any]] = []
        self.curves: dict[tuple[str, str], dict[str, Any]] = {}
        self.environment: dict[str, dict[str, Any]] = {}
        self.checked = 0
        self.said = ""
        self.started = time.monotonic()
        self.is_worker = hasattr(config, "workerinput")
        self.runner: Runner | None = None
        config.pluginmanager.register(Collector(self), "parity-collector")
        required, jobs = config.getoption("--parity-require"), config.getoption("--parity-jobs")
        asked = required.split(",") if required else []
        try:
            whole_number("--parity-seed", self.seed)
            whole_number("--parity-jobs", 1 if jobs is None else jobs, least=1)
            reasons = [wings.missing(choose("--parity-require", wing.strip(), wings.FRAMEWORKS)) for wing in asked]
        except InputError as error:
            raise pytest.UsageError(str(error)) from error
        if any(reasons):
            raise pytest.UsageError(f"--parity-require: {'; '.join(filter(None, reasons))}")

    def header(self) -> list[str]:
        from parity.report.record import versions

        found = ", ".join(f"{name} {version or 'not installed'}" for name, version in versions().items())
        return [f"parity: {found}; seed {self.seed}"]

    @cached_property
    def plans(self) -> dict[str, Callable[[], Sequence[Task]]]:
        """For each fixture that has a verdict on a task: all those tasks."""
        from parity import check, divergences, training

        return {
            "parity_findings": partial(check.plan, seed=self.seed, full=self.config.getoption("--parity-full")),
            "parity_trial": divergences.snippets,
            "parity_training": partial(training.plan, seed=self.seed),
        }

    def start(self, tasks: list[Task]) -> None:
        from parity import report
        from parity.errors import InputError
        from parity.runner import Runner

        alone = self.is_worker or self.config.getoption("usepdb", False)
        try:
            if not self.is_worker:
                report.writable(self.folder, "--parity-report")
            self.runner = Runner(tasks, 1 if alone else self.config.getoption("--parity-jobs"))
        except InputError as error:
            raise pytest.UsageError(str(error)) from error
        self.runner.start()

    def verdict_on(self, task: Task) -> list[Any]:
        assert self.runner is not None, "started when the collection was finished"
        return self.runner.verdict_on(task)

    def finish(self, interrupted: bool) -> None:
        from parity import report
        from parity.divergences import Trial
        from parity.report.entries import entries

        if self.runner is not None:
            self.runner.close()
        if self.is_worker or not (self.checked or self.trials):
            return
        record = report.record(
            self.findings,
            self.environment,
            seed=self.seed,
            seconds=time.monotonic() - self.started,
            planned=max(self.planned, self.checked),
            checked=self.checked,
            interrupted=interrupted,
            divergences=entries(Trial(**trial) for trial in self.trials),
            training=list(self.curves.values()),
        )
        files = report.write(record, self.folder)
        self.said = f"{report.verdict(record)}; {len(self.findings)} findings; report: {', '.join(map(str, files))}"


class Collector:
    """Gathers findings from test reports, wherever the tests ran."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        given = getattr(report, "parity", {})
        if "trial" in given:
            self.session.trials.append(given["trial"])
        if "curve" in given:
            self.session.curves[given["curve"]["model"], given["curve"]["optimiser"]] = given["curve"]
        if "findings" in given:
            self.session.findings += given["findings"]
            self.session.environment |= report.parity_environment
            self.session.checked += 1


SESSION = pytest.StashKey[Session]()
GIVEN = pytest.StashKey[dict[str, Any]]()
