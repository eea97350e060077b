"""Plan and run the checks of one pytest session, and write its report; `parity.pytest_plugin` calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from parity import frameworks
from parity.checks.sharding import parse_shard
from parity.errors import FrameworkUnavailable, NotWritten, choose, printable, seconds, whole_number
from parity.frameworks.recording import apart, verified

if TYPE_CHECKING:
    from parity.checks.runner import Runner, Task
    from parity.checks.sharding import Divisible
    from parity.checks.verdict import Verdict
    from parity.files import Claim
    from parity.report.journal import Entry, Journal
    from parity.report.model import Part

FOLDER = "parity-pytest"  # of a report that has no other: that of `parity check` stays as it is


class Session:
    """The tasks of one pytest session, and its report.

    Args:
        option: returns the value of an option of pytest.
        is_worker: whether xdist started this process; then another one writes the report.
        debugging: whether every task runs in this process, where a debugger finds it.

    Attributes:
        asked: whether the folder of the report was given: then verdicts on a user's models are enough for one.
        messages: lines for the summary at the end.
        part: the shard of this session, as soon as it is known.
        is_divided: whether there are tasks in some shard of this session's.
        journal: the results so far; None until the report begins, and always in a worker of xdist.

    Raises:
        InputError: a wrong option.
        FrameworkUnavailable: a required framework cannot be loaded, or none finds the device.
    """

    def __init__(self, option: Callable[[str], Any], is_worker: bool = False, debugging: bool = False) -> None:
        self.seed = whole_number("--parity-seed", option("--parity-seed"))
        self.full: bool = option("--parity-full")
        timeout = option("--parity-timeout")
        self.timeout = None if timeout is None else seconds("--parity-timeout", timeout)
        jobs = option("--parity-jobs")
        self.jobs = None if jobs is None else whole_number("--parity-jobs", jobs, least=1)
        if is_worker or debugging:
            self.jobs = 1
        device = choose("--parity-device", option("--parity-device") or "cpu", frameworks.DEVICES)
        self.device = frameworks.DeviceSettings(device, option("--parity-tf32"))
        replayed = option("--parity-replay")
        self.recording = None if replayed is None else verified(replayed)
        _check_frameworks(option("--parity-require"), device)
        folder = option("--parity-report")
        self.asked, self.folder = folder is not None, FOLDER if folder is None else folder
        apart(self.recording, self.folder, "--parity-report")
        shard = option("--parity-shard")
        self.shard = None if shard is None else parse_shard("--parity-shard", shard)
        self.part: Part | None = None
        self.is_divided = False
        self.is_worker = is_worker
        self.messages: list[str] = []
        self.journal: Journal | None = None
        self._claimed: Claim | None = None
        self.runner: Runner | None = None

    def header(self) -> list[str]:
        """Return lines with the versions, the seed, the device and the recording."""
        from parity.report import versions

        packages = ", ".join(f"{name} {version or 'not installed'}" for name, version in versions().items())
        tf32 = "allowed" if self.device.tf32 else "off"
        lines = [f"parity: {packages}; seed {self.seed}; device {self.device.device}, TF32 {tf32}"]
        return [*lines, printable(f"parity: compared with {self.recording}")] if self.recording else lines

    def plan(self, fixture: str) -> Sequence[Task]:
        """List the tasks of a fixture of the plugin."""
        return self._plans[fixture]()

    @property
    def _plans(self) -> dict[str, Callable[[], Sequence[Task]]]:
        from parity import divergences, mutants, training
        from parity.checks import selection

        checks = partial(selection.plan, seed=self.seed, full=self.full, device=self.device, recording=self.recording)
        return {
            "parity_results": checks,
            "parity_training": partial(training.plan, seed=self.seed, full=self.full),
            "parity_trial": divergences.plan,
            "parity_mutant": mutants.plan,
        }

    def keep_shard(self, tests: Sequence[Divisible], names: Iterable[str], tasks: Sequence[Task]) -> list[bool]:
        """Tell for each test whether it is in the shard of this session.

        Args:
            tests: for each its task, or what stands for it.
            names: of all tests.
            tasks: of all tests.
        """
        from parity.cli.shards import describe_part, in_shard

        assert self.shard is not None, "the option was given"
        self.is_divided = bool(tasks)
        self.part = describe_part(self.shard, tasks, names, full=self.full, device=self.device)
        return in_shard(tests, self.shard)

    def encoded_part(self) -> str:
        """Encode the shard of this session for another process."""
        from parity.report.model import encode_part

        assert self.part is not None, "the tests are collected"
        return encode_part(self.part).decode()

    def receive_part(self, encoded: str) -> None:
        """Keep the shard that a worker of xdist encoded."""
        from msgspec import json
        from msgspec.structs import replace

        from parity.report.model import Part

        self.part = json.decode(encoded, type=Part)
        if self.part.planned:
            self._begin(planned=0)  # other shards have checks
        if self.journal:
            self.journal.head = replace(self.journal.head, shard=self.part)

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin the report, and let worker processes run the tasks; fail if the report cannot be written."""
        from parity.checks.runner import Runner
        from parity.checks.selection import check_recorded
        from parity.cli.shards import count_checks
        from parity.training import CurveTask, Training

        check_recorded(tasks, self.recording)
        curves = (CurveTask(task.model, task.optimiser, task.seed) for task in tasks if isinstance(task, Training))
        planned = dict.fromkeys([*tasks, *curves])
        keep, limit = self._keep_from_worker, self.timeout
        # other tests run here meanwhile, one after the other: whatever waits for a core, it must not be they
        self.runner = Runner(planned, self.jobs, on_results=keep, device=self.device, timeout=limit, yielding=True)
        self._begin(planned=count_checks(tasks))
        self.runner.start()

    def begin_if_asked(self) -> None:
        """Begin the report of a session in which tests make verdicts, if its folder was given."""
        if self.asked:
            self._begin(planned=0)

    def _begin(self, planned: int) -> None:
        """Write an empty report; do nothing if it has begun, or in a worker of xdist."""
        from parity.cli.shards import describe_part
        from parity.report import claim, describe_recording
        from parity.report.journal import Journal

        if self.journal or self.is_worker:
            return
        self._claimed = claim(self.folder, "--parity-report")
        replayed = describe_recording(self.recording) if self.recording else None
        warn = self.messages.append
        if self.shard and not self.part:  # workers of xdist describe it as they end
            self.part = describe_part(self.shard, [], [], full=self.full, device=self.device)
        journal = partial(Journal, self.folder, seed=self.seed, planned=planned, warn=warn)
        self.journal = journal(replayed=replayed, shard=self.part)
        self.journal.begin()

    def expect(self, ids: Iterable[str]) -> bool:
        """Begin the report if any of these tests, which xdist's workers collected, belongs to it; return whether."""
        if self.journal:
            return False
        names = {name.partition("[")[2].rpartition("]")[0] for name in ids}
        counts = {fixture: len(names.intersection(map(str, plan()))) for fixture, plan in self._plans.items()}
        if any(counts.values()):
            self._begin(planned=counts["parity_results"] + counts["parity_training"])
        return any(counts.values())

    def results_of(self, task: Task) -> list[Any]:
        """Return the results of a task, waiting for a worker process if need be."""
        return self.runner.results_of(task) if self.runner else task.run()

    def skip(self, task: Task, reason: str) -> str:
        """Keep a task that pytest skips, as for a mark, as one that was not missed; encode it as `keep` does."""
        from msgspec.structs import replace

        from parity.checks.result import SKIPPED, Result

        crashed = (result for result in task.on_crash(reason) if isinstance(result, Result))
        return self.keep(task, [replace(result, status=SKIPPED, problem="") for result in crashed])

    def keep(self, task: Task, results: Sequence[Any]) -> str:
        """Keep the results of a task; in a worker of xdist, encode them to travel with the test's own report."""
        from parity.training import CurveTask, Training

        if self.journal and task in self.journal:
            return ""  # a worker process has delivered them
        if isinstance(task, Training) and results[0].status != "skipped":
            results = [*results, *CurveTask(task.model, task.optimiser, task.seed).run()]
        return self._keep(task, results, frameworks.environment(self.device))

    def keep_verdict(self, test: str, name: str, verdict: Verdict) -> str:
        """Keep a verdict of a test under a name, if this session writes a report; encode it as `keep` does."""
        from parity.report.journal import Entry

        self.begin_if_asked()
        if not (self.asked or self.journal or self.runner):  # in a worker of xdist, tasks tell that there is a report
            return ""
        return self._keep_entry(Entry(task=test, frameworks=frameworks.environment(self.device), own={name: verdict}))

    def _keep_from_worker(self, task: Task, results: Sequence[Any]) -> None:
        """Keep the results of a worker process, in a thread, which must not call a framework."""
        self._keep(task, results, self.runner.environment if self.runner else {})

    def _keep(self, task: Task, results: Sequence[Any], settings: Mapping[str, dict[str, Any]]) -> str:
        from parity.report.journal import entry

        return self._keep_entry(entry(task, results, settings))

    def _keep_entry(self, kept: Entry) -> str:
        from parity.report.model import encode_part

        if self.is_worker:
            return encode_part(kept).decode()
        if self.journal:
            self.journal.keep(kept)
        return ""

    def receive(self, encoded: str) -> None:
        """Keep the results that a worker of xdist encoded."""
        from msgspec import json

        from parity.report.journal import Entry

        self._begin(planned=0)
        received: Entry = json.decode(encoded, type=Entry)
        if self.journal:
            self.journal.keep(received)

    def finish(self, interrupted: bool) -> bool:
        """Stop the workers and write the report; return whether the session may count as a success."""
        from parity import report
        from parity.cli.terminal import report_lines
        from parity.report import github

        if self.runner is not None:
            self.runner.close()
        if self.journal is None:
            return True
        finished = self.journal.report(interrupted)
        passed = not report.failed(finished)
        amount = sum(finished.summary.results.values())
        self.messages.append(f"{report.verdict(finished)}; {amount} results")
        try:
            self.messages += report_lines(self.journal.end(finished))
        except NotWritten as error:
            passed = False
            self.messages.append(f"parity: failed: {error}")
        if self._claimed:
            self._claimed.release()
        github.publish(finished, say=self.messages.append, warn=lambda line: self.messages.append(f"parity: {line}"))
        return passed


def _check_frameworks(required: str, device: str) -> None:
    """Check that the required frameworks load, and that one finds the device."""
    frameworks.require("--parity-require", required)
    if absent := frameworks.lacks(device, frameworks.FRAMEWORKS):
        raise FrameworkUnavailable(f"--parity-device {device}: {absent}")
