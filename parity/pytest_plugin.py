"""The pytest plugin: options, ids, one call into the pipeline for each check, and the report at the end.

A test that asks for the fixture ``parity_results`` becomes one test for each check of the matrix, with ids such
as ``rnn.lstm-pytorch.packed-float32-ignores_padding``; with ``parity_trial``, one for each divergence and framework;
with ``parity_outcome``, one for each mutant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from parity.checks.result import Result
    from parity.checks.runner import Runner, Task
    from parity.divergences import Trial
    from parity.mutants import Outcome
    from parity.report.journal import Keeper

OUTPUT = "parity-report"
CHECKED = ("parity_results", "parity_training")  # fixtures that give results
IN_WORKERS = ("parity_results", "parity_trial", "parity_outcome")  # fixtures whose verdicts come from worker processes


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "PyTorch against TensorFlow on padded sequences")
    group.addoption("--parity-report", metavar="DIR", default=OUTPUT, help=f"where the report goes (default {OUTPUT})")
    group.addoption("--parity-seed", metavar="N", type=int, default=0, help="seed of the sampled cases (default 0)")
    group.addoption(
        "--parity-require", metavar="FRAMEWORK,…", default="", help="fail at once if one of these does not load"
    )
    group.addoption("--parity-full", action="store_true", help="also what takes long: compiled modes, narrow dtypes")
    group.addoption("--parity-replay", metavar="DIR", help="compare with what parity record wrote there, too")
    group.addoption("--parity-device", help="auto, cpu or cuda (default: cpu for checks, auto for benchmarks)")
    group.addoption("--parity-tf32", action="store_true", help="let a GPU round factors of float32 products to TF32")
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
    tasks = dict.fromkeys(task for item in session.items if (task := _task_of(item)))
    checks = {params[name] for params in map(_params, session.items) for name in CHECKED if name in params}
    others_only = session.config.getoption("benchmark_only", False)  # pytest-benchmark: our workers would disturb it
    if (tasks or checks) and not session.config.option.collectonly and not others_only:
        session.config.stash[SESSION].start(list(tasks), planned=len(checks))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Under xdist other processes collect the tests, and only their ids come to the one that reports."""
    node.config.stash[SESSION].expect(ids)


def _task_of(item: pytest.Item) -> Task | None:
    params = _params(item)
    return next((params[fixture] for fixture in IN_WORKERS if fixture in params), None)


def _params(item: pytest.Item) -> dict[str, Any]:
    spec = getattr(item, "callspec", None)
    return spec.params if spec else {}


def _verdict_on(request: pytest.FixtureRequest) -> list[Any]:
    """The verdict on the task that a test is about, which now stands in the report too."""
    session = request.config.stash[SESSION]
    found: list[Any] = session.verdict_on(request.param)
    session.keep(request.node, request.param, found)
    return found


@pytest.fixture
def parity_results(request: pytest.FixtureRequest) -> list[Result]:
    """The results of one check of the matrix; skips, by name, when its framework is not installed."""
    results: list[Result] = _verdict_on(request)
    if results and all(result.status == "skipped" for result in results):
        pytest.skip(results[0].reason)
    return results


@pytest.fixture
def parity_trial(request: pytest.FixtureRequest) -> Trial:
    """One framework's snippet of one divergence, tried today; skips, by name, when its framework is not installed."""
    (trial,) = _verdict_on(request)
    if trial.missing:
        pytest.skip(trial.missing)
    return trial  # type: ignore[no-any-return]


@pytest.fixture
def parity_outcome(request: pytest.FixtureRequest) -> Outcome:
    """What became of one mutant; skips, by name, when its framework is not installed."""
    (outcome,) = _verdict_on(request)
    if outcome.status == "skipped":
        pytest.skip(outcome.reason)
    return outcome  # type: ignore[no-any-return]


@pytest.fixture
def parity_training(request: pytest.FixtureRequest) -> list[Result]:
    """The results of one model trained with one optimiser in one framework, and its curve for the report.

    It runs in this process, where whoever asks for the same run finds it remembered.
    """
    from parity import training

    run = request.param
    results: list[Result] = run.run()
    skipped = results[0].status == "skipped"
    curves = [] if skipped else training.Curve(run.model, run.optimiser, run.steps, run.seed).run()
    request.config.stash[SESSION].keep(request.node, run, [*results, *curves])
    if skipped:
        pytest.skip(results[0].reason)
    return results


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let what a fixture gave travel with the test's own report, which crosses processes under xdist."""
    report = yield
    report.parity = item.stash.get(GIVEN, "")  # type: ignore[attr-defined]
    if call.when != "teardown" and GIVEN in item.stash:
        del item.stash[GIVEN]
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    written = session.config.stash[SESSION].finish(interrupted=exitstatus == pytest.ExitCode.INTERRUPTED)
    if not written and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if said := config.stash[SESSION].said:
        terminalreporter.section("parity")
        for line in said:
            terminalreporter.line(line)


class Session:
    """What one pytest run has planned, found and written."""

    def __init__(self, config: pytest.Config) -> None:
        from parity import frameworks
        from parity.errors import InputError, choose, whole_number
        from parity.frameworks.recording import verified

        self.config = config
        self.folder: str = config.getoption("--parity-report")
        self.seed: int = config.getoption("--parity-seed")
        self.said: list[str] = []
        self.is_worker = hasattr(config, "workerinput")
        self.runner: Runner | None = None
        self.keeper: Keeper | None = None  # none in a worker of xdist: its results travel to the process that has one
        config.pluginmanager.register(Collector(self), "parity-collector")
        self.device = frameworks.DeviceSettings(
            config.getoption("--parity-device") or "cpu", config.getoption("--parity-tf32")
        )
        required, jobs = config.getoption("--parity-require"), config.getoption("--parity-jobs")
        asked = required.split(",") if required else []
        try:
            whole_number("--parity-seed", self.seed)
            whole_number("--parity-jobs", 1 if jobs is None else jobs, least=1)
            choose("--parity-device", self.device.device, frameworks.DEVICES)
            self.replayed = verified(there) if (there := config.getoption("--parity-replay")) else None
            reasons = [
                frameworks.missing(choose("--parity-require", framework.strip(), frameworks.FRAMEWORKS))
                for framework in asked
            ]
        except InputError as error:
            raise pytest.UsageError(str(error)) from error
        if any(reasons):
            raise pytest.UsageError(f"--parity-require: {'; '.join(filter(None, reasons))}")
        if absent := frameworks.lacks(self.device.device, frameworks.FRAMEWORKS):
            raise pytest.UsageError(f"--parity-device {self.device.device}: {absent}")

    def header(self) -> list[str]:
        from parity.report.environment import versions

        found = ", ".join(f"{name} {version or 'not installed'}" for name, version in versions().items())
        tf32 = "allowed" if self.device.tf32 else "off"
        replayed = [f"parity: compared with {self.replayed}"] if self.replayed else []
        return [f"parity: {found}; seed {self.seed}; device {self.device.device}, TF32 {tf32}", *replayed]

    @cached_property
    def plans(self) -> dict[str, Callable[[], Sequence[Task]]]:
        """For each fixture that has a verdict on a task: all those tasks."""
        from parity import divergences, mutants, training
        from parity.checks import check

        return {
            "parity_results": partial(
                check.plan,
                seed=self.seed,
                full=self.config.getoption("--parity-full"),
                device=self.device,
                recording=self.replayed,
            ),
            "parity_trial": divergences.snippets,
            "parity_outcome": mutants.plan,
            "parity_training": partial(training.plan, seed=self.seed),
        }

    def start(self, tasks: list[Task], planned: int) -> None:
        from parity.checks import check
        from parity.checks.runner import Runner
        from parity.errors import InputError

        alone = self.is_worker or self.config.getoption("usepdb", False)
        try:
            check.covered(tasks, self.replayed)
            self.runner = Runner(
                tasks, 1 if alone else self.config.getoption("--parity-jobs"), heard=self._heard, device=self.device
            )
        except InputError as error:
            raise pytest.UsageError(str(error)) from error
        if not self.is_worker:
            self.begin(planned)
        self.runner.start()

    def expect(self, ids: Sequence[str]) -> None:
        """Begin the report, if any of these tests belongs in it."""
        named = {name.partition("[")[2].rpartition("]")[0] for name in ids}
        ours = {fixture: named & set(map(str, tasks())) for fixture, tasks in self.plans.items()}
        if not self.keeper and any(ours.values()):
            self.begin(sum(len(ours[fixture]) for fixture in CHECKED))

    def begin(self, planned: int) -> Keeper:
        from parity.errors import InputError, NotWritten
        from parity.report import writable
        from parity.report.journal import Keeper

        try:
            writable(self.folder, "--parity-report")
            replayed = self.replayed.environment if self.replayed else None
            warn = self.said.append
            self.keeper = Keeper(self.folder, seed=self.seed, planned=planned, replayed=replayed, warn=warn)
            self.keeper.begin()
        except (InputError, NotWritten) as error:
            raise pytest.UsageError(str(error)) from error
        return self.keeper

    def verdict_on(self, task: Task) -> list[Any]:
        assert self.runner is not None, "started when the collection was finished"
        return self.runner.verdict_on(task)

    def keep(self, item: pytest.Item, task: Task, found: list[Any]) -> None:
        """Put what came of a task in this process into the report, or on its way there."""
        from parity import frameworks
        from parity.report.journal import plain

        if self.keeper and str(task) in self.keeper:
            return  # a worker has told it
        given: dict[str, Any] = {
            "task": str(task),
            "found": plain(found),
            "frameworks": frameworks.environment(self.device),
        }
        if self.is_worker:
            item.stash[GIVEN] = json.dumps(given)
        elif self.keeper:
            self.keeper.keep(**given)

    def _heard(self, task: Task, found: list[Any]) -> None:
        """The same for what came of it in another process. It is heard by a thread, which must touch no framework."""
        from parity.report.journal import plain

        assert self.keeper is not None, "begun when the collection was finished"
        self.keeper.keep(str(task), plain(found), self.runner.environment if self.runner else {})

    def finish(self, interrupted: bool) -> bool:
        """Write the report; whether that could be done."""
        from parity import report
        from parity.cli.terminal import files_of
        from parity.errors import NotWritten
        from parity.report import github

        if self.runner is not None:
            self.runner.close()
        if self.keeper is None:
            return True
        record = self.keeper.record(interrupted)
        self.said.append(f"{report.verdict(record)}; {len(record['checks'])} results")
        failure = None
        try:
            self.said += files_of(report.write(record, self.folder))
        except NotWritten as error:
            failure = error
            self.said.append(f"parity: failed: {error}")
        github.tell(record, say=self.said.append, warn=lambda said: self.said.append(f"parity: {said}"))
        return not failure


class Collector:
    """Gathers what the workers of xdist found from the reports of their tests."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        given = getattr(report, "parity", "")
        if given and not self.session.is_worker:
            keeper = self.session.keeper or self.session.begin(planned=0)
            keeper.keep(**json.loads(given))


SESSION = pytest.StashKey[Session]()
GIVEN = pytest.StashKey[str]()  # JSON: not every text can travel as it is
