"""The one pipeline: sample a case, observe it, compare, judge."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from parity import bucketing as planner
from parity import frameworks
from parity.arrays import DTYPES, FLOATS, NARROW
from parity.cases.case import Case
from parity.cases.lengths import REAL, lengths_of, parse_lengths
from parity.cases.sampling import sample_case
from parity.checks.comparison import Difference, verdict
from parity.checks.contracts import CONTRACTS, EVERY, FIRST, Contract, Subject, same_in_every_mode
from parity.checks.error_maps import heat, scores, spread
from parity.checks.localisation import first_difference
from parity.checks.result import FAILED, SKIPPED, XFAILED, Result
from parity.errors import InputError, a_function, choose, choose_all, first_lines, names, of_kind, told, whole_number
from parity.frameworks.recording import NotInRecording, Recording, opened
from parity.operations import OPERATIONS, Configuration, ExpectedFailure, Operation, find

# For bucketed variants: a call so cheap that even batches as small as these are cut into groups, but not free, or each
# length would be a group of its own, and no group would need a mask.
SMALL_GROUPS = planner.Cost(call=1.25, step=0.0, row=1.0)


@dataclass(frozen=True)
class Check:
    """One variant of one operation held to one contract, in one dtype, on all its cases and in all its modes.

    ``full`` adds the modes of a full run; ``config``, ``lengths`` and ``mode`` leave only those, where they are given,
    and a lengths may be written out (see `parity.cases.lengths.parse_lengths`). ``function`` stands in for the
    framework's own, when a user checks theirs, and gives no ``omits``; ``replay`` is the folder of the recording that
    it is compared with, if it is.

    >>> str(plan(operations=["rnn.lstm"], frameworks_=["pytorch"], dtypes=["float32"])[0])
    'rnn.lstm-pytorch.packed-float32-matches_reference'
    """

    operation: str
    framework: str
    variant: str
    dtype: str
    contract: str
    seed: int = 0
    full: bool = False
    config: str = ""
    lengths: str = ""
    mode: str = ""
    device: frameworks.DeviceSettings = frameworks.CPU
    function: Callable[..., Mapping[str, Any]] | None = field(default=None, compare=False)
    replay: str = ""
    omits: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.operation}-{self.framework}.{self.variant}-{self.dtype}-{self.contract}"

    @property
    def reproduce(self) -> str:
        """What shows its results again: a command, or the call that held a user's function to it."""
        if self.function:
            chosen = {name: getattr(self, name) for name in ("config", "lengths", "mode")}
            given = {"dtype": self.dtype, "contracts": [self.contract], **chosen, "omits": list(self.omits)}
            said = "".join(f", {name}={value!r}" for name, value in given.items() if value)
            return (
                f"parity.check_function({self.operation!r}, {self.variant}, {self.framework!r}{said}, seed={self.seed})"
            )
        names = ("operation", "framework", "variant", "dtype", "contract", "config", "lengths", "mode", "seed")
        options = [f"--{name} {value}" for name in names if (value := getattr(self, name)) != ""]
        device = [f"--device {self.device.device}"] if self.device.device != "cpu" else []
        flags = ["--full"] * self.full + ["--tf32"] * self.device.tf32
        recording = [f"--replay {shlex.quote(self.replay)}"] if self.replay else []
        return " ".join(["parity check", *options, *device, *flags, *recording])

    @property
    def slow(self) -> bool:
        """Whether only a full run tries it."""
        return self.dtype in NARROW or CONTRACTS[self.contract].compiled

    @property
    def together(self) -> tuple[str, ...]:
        """Checks of one operation in one dtype share samples, references and traces."""
        return self.operation, self.dtype

    @property
    def cost(self) -> int:
        """Roughly how long it takes: more inputs, more to differentiate."""
        return sum(len(config.inputs) for config in find(self.operation).configurations)

    def lost(self, reason: str) -> list[Result]:
        """The verdict if the process that should give it died."""
        return [self.result("", "", FAILED, reason=reason)]

    @property
    def has_cases(self) -> bool:
        """Whether any of its cases is of its config, lengths and mode."""
        return any(True for _ in self._runs())

    def run(self) -> list[Result]:
        """Hold the variant to the contract. Whatever the variant raises becomes a result."""
        absent, contract = frameworks.missing(self.framework), CONTRACTS[self.contract]
        if not absent and contract.both_frameworks and not self.replay:
            absent = "; ".join(filter(None, map(frameworks.missing, frameworks.FRAMEWORKS)))
        if absent:
            return [self.result("", "", SKIPPED, reason=absent)]
        results = [
            result
            for config, lengths, mode in self._runs()
            for result in self._judge(config, lengths, self._subject(config, mode))
        ]
        if results:
            return results
        nothing = "nothing was compared: the contract applies to no case"
        return [self.result("", "", SKIPPED if self.lengths else FAILED, reason=nothing)]

    def _runs(self) -> Iterator[tuple[Configuration, str, str]]:
        """The configurations, lengths and modes in which it is tried."""
        modes = CONTRACTS[self.contract].modes(self.framework, self.dtype, self.full)
        for config in find(self.operation).configurations:
            if self.config in ("", config.name):
                for lengths in self._lengths(config):
                    yield from ((config, lengths, mode) for mode in modes if self.mode in ("", mode))

    def _lengths(self, config: Configuration) -> list[str]:
        """In which lengths a configuration is tried; real data are not sampled in written ones."""
        contract = CONTRACTS[self.contract]
        if contract.unless_config(config):
            return []
        if self.lengths and self.lengths not in lengths_of(config):
            return [] if config.data else [self.lengths]
        tried = FIRST if self.dtype in NARROW else contract.lengths
        return [lengths for lengths in lengths_of(config) if lengths in tried and self.lengths in ("", lengths)]

    def _subject(self, config: Configuration, mode: str) -> Subject:
        own = self.function and frameworks.bind(self.function, find(self.operation), config.name, "", self.omits)
        recording = opened(self.replay) if self.replay else None
        return Subject(self.framework, self.variant, mode, own, self.device, recording)

    def _judge(self, config: Configuration, lengths: str, subject: Subject) -> list[Result]:
        contract, case = CONTRACTS[self.contract], self._case(config, lengths)
        if contract.unless(case):
            return []
        expected_failure = self._expected_failures(case, subject.mode)
        try:
            with planner.using(SMALL_GROUPS):
                differences = contract.judge(subject, case)
                first = self._first(subject, case, differences)
        except NotInRecording as error:
            return [self.result(subject.mode, case.name, FAILED, reason=str(error))]
        except Exception as error:  # whatever a variant raises is what we found out about it
            said = told(error)
            if expected_failure and expected_failure.says in said:
                return [self.result(subject.mode, case.name, XFAILED, reason=f"refused: {expected_failure.why}")]
            return [self.result(subject.mode, case.name, FAILED, reason=f"raised {first_lines(said)}")]
        if expected_failure:
            stale = f"does not refuse with {expected_failure.says!r} as the tested versions do: see parity/operations"
            return [self.result(subject.mode, case.name, FAILED, reason=stale)]
        return self._verdict(subject.mode, case, differences, first)

    def _case(self, config: Configuration, lengths: str) -> Case:
        """The sampled case, without the outputs that the variant, or a user's function, does not give."""
        case = sample_case(self.operation, config.name, lengths, self.dtype, self.seed)
        if self.function:
            return case.keeping(set(case.cotangents) - set(self.omits))
        return case.given_by(f"{self.framework}.{self.variant}")

    def _expected_failures(self, case: Case, mode: str) -> ExpectedFailure | None:
        """A contract that sets a mode beside eager is refused by either; eager runs first."""
        if self.function:
            return None
        modes = ("eager", mode) if CONTRACTS[self.contract].judge is same_in_every_mode else (mode,)
        subject = f"{self.framework}.{self.variant}"
        expected_failures = (case.row.expected_failure(subject, case.region, mode, self.dtype) for mode in modes)
        return next(filter(None, expected_failures), None)

    def _first(self, subject: Subject, case: Case, differences: list[Difference]) -> str:
        """Where it began, for a failure on the first lengths or one asked for; looking takes a run for each step."""
        if case.lengths_name not in (*FIRST, self.lengths) or not any(difference.failed for difference in differences):
            return ""
        return first_difference(subject, case)

    def _verdict(self, mode: str, case: Case, differences: list[Difference], first: str) -> list[Result]:
        if not any(difference.compared or difference.failed for difference in differences):
            return []  # an empty batch of an operation without parameters: it ran, but there is no number to judge
        sampled = self._picture(case, differences)
        return [self.result(mode, case.name, first=first, **said, **sampled) for said in verdict(differences)]

    def _picture(self, case: Case, differences: list[Difference]) -> dict[str, Any]:
        """What the report samples: of what is held to the reference, and of all that failed."""
        if self.contract != "matches_reference" and not any(difference.failed for difference in differences):
            return {}
        moved = self.contract == "follows_permutation"  # its rows are in another order than the case has them
        found = scores(differences)
        return {"spread": spread(found.values()), "heat": None if moved else heat(case, found)}

    def result(self, mode: str, case: str, status: str, **rest: Any) -> Result:
        """A result of this check."""
        return Result(
            operation=self.operation,
            framework=self.framework,
            variant=self.variant,
            mode=mode,
            dtype=self.dtype,
            case=case,
            seed=self.seed,
            contract=self.contract,
            status=status,
            reproduce=self.reproduce,
            **rest,
        )


def plan(
    operations: Iterable[str] = (),
    frameworks_: Iterable[str] = (),
    variants: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    contracts: Iterable[str] = (),
    seed: int = 0,
    full: bool = False,
    *,
    config: str = "",
    lengths: str = "",
    mode: str = "",
    device: frameworks.DeviceSettings = frameworks.CPU,
    recording: Recording | None = None,
) -> list[Check]:
    """All checks of a selection, in the order of the operations table. An empty selection means everything.

    A config, a lengths or a mode leaves only its cases of every check; a lengths may be written out, ``"3,0,1:5"``.
    Narrow
    dtypes and compiled modes take long: they are planned where they are named, or in a ``full`` run, and so are graphs
    in float64. With a ``record``, its framework is held to what was recorded, and so is the other framework, where it
    would be to that framework.

    Raises:
        InputError: an unknown name, with the nearest right one, a selection that holds no check, or a recording of
            another seed.
    """
    chosen = choose_all("operation", names("operations", operations), OPERATIONS)
    rows = [OPERATIONS[name] for name in chosen or OPERATIONS]
    chosen_frameworks = [
        choose("framework", name, frameworks.FRAMEWORKS) for name in names("frameworks", frameworks_)
    ] or list(frameworks.FRAMEWORKS)
    kept = [choose("dtype", dtype, FLOATS) for dtype in names("dtypes", dtypes)] or list(FLOATS if full else DTYPES)
    promised = [CONTRACTS[choose("contract", name, CONTRACTS)] for name in names("contracts", contracts)] or [
        contract
        for contract in CONTRACTS.values()
        if (full or not contract.compiled) and (recording or not contract.recorded)
    ]
    if not recording and any(contract.recorded for contract in promised):
        raise InputError("contract", "'agrees_with_recording' without a record", "one to replay")
    if recording and recording.seed != seed:
        raise InputError("seed", seed, f"{recording.seed}, that of the recording in {str(recording.folder)!r}")
    known = {v for row in rows for framework in chosen_frameworks for v in row.variants[framework]}
    wanted = {choose("variant", variant, sorted(known)) for variant in names("variants", variants)} or known
    whole_number("seed", seed)
    if absent := frameworks.lacks(device.device, chosen_frameworks):
        raise InputError("device", repr(device.device), f"a device that is here: {absent}")
    _check_cases(rows, chosen_frameworks, config, lengths, mode)
    of_kind("full", full, bool, "True or False")
    checks = [
        Check(
            *(row.name, framework, variant, dtype, contract.name, seed, full, config, lengths, mode, device),
            replay=_replayed(contract, framework, recording),
        )
        for row in rows
        for dtype in kept
        for framework in chosen_frameworks
        for variant in row.variants[framework]
        if variant in wanted
        for contract in promised
        if contract.tried_in(dtype) and _promised(contract, row, framework, dtype, full)
        if _replayed(contract, framework, recording) or not contract.recorded
    ]
    checks = [check for check in checks if check.has_cases] if config or lengths or mode else checks
    if not checks:
        raise InputError("selection", "no check at all", _what_there_is(mode, kept, full))
    return checks


def _what_there_is(mode: str, dtypes: list[str], full: bool) -> str:
    """What a selection without any check lacks, as far as that can be told."""
    if not full and any(mode in compiled for compiled in frameworks.COMPILED.values()):
        return f"mode {mode!r} in a full run: --full"
    if set(dtypes) <= set(NARROW):
        narrow = ", ".join(
            contract.name for contract in CONTRACTS.values() if contract.narrow and not contract.recorded
        )
        return f"one of the contracts that are tried in {' and '.join(dtypes)}: {narrow}"
    return "a contract that one of the chosen operations promises"


def _replayed(contract: Contract, framework: str, recording: Recording | None) -> str:
    """The recording's folder, for what is compared with it: its own framework then and now, or the other framework."""
    concerned = contract.recorded if recording and framework == recording.framework else contract.both_frameworks
    return str(recording.folder) if recording and concerned else ""


def covered(tasks: Iterable[object], recording: Recording | None) -> None:
    """Make sure that a recording holds what those of its checks that are to run compare with it.

    Raises:
        InputError: an operation, a dtype or a variant was not recorded; the message names the first.
    """
    lacking = []
    for task in tasks:
        if recording and isinstance(task, Check) and task.replay:
            variant = task.variant if task.framework == recording.framework else ""
            written = task.lengths not in ("", *EVERY)
            if written or not recording.holds(task.operation, task.dtype, variant):
                lacking.append(", ".join(filter(None, (f"{task.operation} in {task.dtype}", variant, task.lengths))))
    if lacking:
        others = len(set(lacking)) - 1
        came = f"a recording without {lacking[0]}" + (f" and {others} others" if others else "")
        raise InputError("replay", came, "all that is to be checked: select less, or recording more")


def _check_cases(rows: list[Operation], chosen: list[str], config: str, lengths: str, mode: str) -> None:
    """Whether a config, a lengths and a mode are known; each may be empty."""
    modes = dict.fromkeys(
        mode for framework in chosen for mode in (*frameworks.MODES[framework], *frameworks.COMPILED[framework])
    )
    if config:
        choose("config", config, dict.fromkeys(config.name for row in rows for config in row.configurations))
    if lengths and lengths not in REAL:
        parse_lengths(lengths)
    if mode:
        choose("mode", mode, modes)


def _promised(contract: Contract, row: Operation, framework: str, dtype: str, full: bool) -> bool:
    """Whether some case of an operation can be held to a contract in some mode of a framework."""
    return bool(contract.modes(framework, dtype, full)) and not all(
        contract.unless_config(config) for config in row.configurations
    )


def check_function(
    operation: str,
    function: Callable[..., Mapping[str, Any]],
    framework: str,
    *,
    dtype: str = "float32",
    contracts: Iterable[str] = (),
    config: str = "",
    lengths: str = "",
    mode: str = "",
    omits: Iterable[str] = (),
    seed: int = 0,
) -> list[Result]:
    """Hold a function of your own to the contracts of an operation.

    Args:
        operation: the row it claims to compute, e.g. ``"rnn.lstm"``.
        function: takes that operation's arguments as tensors of the framework, by name, weights among them, and
            returns a dict of tensors. ``parity describe rnn.lstm`` tells arguments and results.
        framework: "pytorch" or "tensorflow".
        dtype: "float32", "float64", "bfloat16" or "float16". An epsilon in the wrong place shows in float64.
        contracts: some of `CONTRACTS`; all that the operation promises when empty.
        config: only this configuration of the operation, where it has several.
        lengths: only this lengths of batch, by name or written out: ``"3,1:5"`` has lengths 3 and 1, and T = 5. What
            cannot do with empty sequences can be held to this.
        mode: only this mode.
        omits: outputs that the function does not give.
        seed: of the sampled cases.

    Returns:
        Results in every config, lengths and mode; look for ``status == "failed"``, and read their ``sentence``.

    Raises:
        InputError: an unknown name, with the nearest right one, or a function that cannot be called, or not with the
            arguments of the operation.
        FrameworkUnavailable: the framework cannot be loaded.

    >>> def careless(x, lengths):  # reverses the padding too
    ...     return {"y": x.flip(1)}
    >>> results = check_function("bidirectional.reverse_sequence", careless, "pytorch", contracts=["ignores_padding"])
    >>> results[0].status, results[0].quantity
    ('failed', 'y')
    """
    name = str(getattr(function, "__name__", type(function).__name__))
    function = a_function("function", function)
    choose("dtype", dtype, FLOATS)
    planned = plan([operation], [framework], (), [dtype], contracts, seed, config=config, lengths=lengths, mode=mode)
    outputs = dict.fromkeys(output for one in find(operation).configurations for output in one.outputs)
    omitted = tuple(choose("omits", output, outputs) for output in names("omits", omits))
    _takes(function, find(operation))
    frameworks.runtime(framework)
    promised = dict.fromkeys(one.contract for one in planned)
    held = Check(
        operation, framework, name, dtype, "", seed, False, config, lengths, mode, function=function, omits=omitted
    )
    return [result for contract in promised for result in replace(held, contract=contract).run()]


def _takes(function: Callable[..., object], row: Operation) -> None:
    """Make sure that a function can be called with the arguments of an operation, in each of its configurations."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C do not tell
        return
    for config in row.configurations:
        try:
            signature.bind(**dict.fromkeys(config.arguments))
        except TypeError as error:
            expected = f"one that takes {', '.join(config.arguments)} by name ({error})"
            raise InputError("function", f"one that takes {signature}", expected) from None
