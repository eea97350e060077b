"""Select checks: which variants are held to which contracts, in which dtypes, on which cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from parity.arrays import DTYPES, FLOATS, NARROW
from parity.cases.lengths import NAMED, REAL, lengths_of, parse_lengths
from parity.checks.check import Check
from parity.checks.contracts import CONTRACTS, DESIGNED_TOO, FIRST, Contract
from parity.errors import InputError, choose, choose_all, names, of_kind, whole_number
from parity.frameworks import COMPILED, CPU, EXPORTED, FRAMEWORKS, MODES, DeviceSettings, lacks
from parity.frameworks.recording import Recording
from parity.operations import OPERATIONS, Operation

FROM_CELLS = ("cells", "convolutional")  # topics whose layers run Python for each step in both frameworks


def plan(
    operations: Iterable[str] = (),
    frameworks: Iterable[str] = (),
    variants: Iterable[str] = (),
    dtypes: Iterable[str] = (),
    contracts: Iterable[str] = (),
    seed: int = 0,
    full: bool = False,
    *,
    config: str = "",
    lengths: str = "",
    mode: str = "",
    device: DeviceSettings = CPU,
    recording: Recording | None = None,
) -> list[Check]:
    """List all checks of a selection, in the order of the operations table. An empty selection means everything.

    A configuration, lengths or a mode leave only those cases of every check; lengths may be written out, ``"3,0,1:5"``.
    Narrow dtypes and compiled modes take long: they are planned where they are named, or in a ``full`` run, and so are
    graphs in float64. With a recording, its framework is compared with what was recorded of it, and so is the other
    framework, instead of with that one. Training is planned by `parity.training.plan`.

    Raises:
        InputError: an unknown name, with the nearest right one, a selection without a check, or a recording of
            another seed.
    """
    rows = [OPERATIONS[name] for name in choose_all("operation", names("operations", operations), OPERATIONS)]
    rows = rows or list(OPERATIONS.values())
    sides = [choose("framework", name, FRAMEWORKS) for name in names("frameworks", frameworks)] or list(FRAMEWORKS)
    floats = [choose("dtype", name, FLOATS) for name in names("dtypes", dtypes)] or list(FLOATS if full else DTYPES)
    wanted = _variants(rows, sides, variants)
    promises = _contracts(contracts, full, recording)
    _check_options(seed, full, device, sides, recording)
    _check_cases(rows, sides, config, lengths, mode)
    template = Check("", "", "", "", "", seed, full, config, lengths, mode, device)
    checks = []
    for row, dtype, framework, variant, contract in _combinations(rows, floats, sides, wanted, promises):
        replay = _replay(contract, framework, recording)
        if _is_promised(contract, row, framework, dtype) and (replay or not contract.recorded):
            check = replace(template, operation=row.name, framework=framework, variant=variant, dtype=dtype)
            checks.append(replace(check, contract=contract.name, replay=replay))
    checks = [check for check in checks if any(check.runs())]
    if not checks:
        raise InputError("selection", "no check at all", _hint(rows, promises, lengths, mode, floats, full))
    return checks


def takes_long(operation: Operation) -> bool:
    """Tell whether a quick run leaves an operation out."""
    return bool(operation.configurations[0].data) or operation.topic in FROM_CELLS


def quick(checks: Iterable[Check]) -> list[Check]:
    """Select one case for a first look: the first variant of an operation in each framework, as people use it most.

    Each contract is tried eagerly on the first configuration and lengths, in the first dtype that was planned. Models
    of real data and layers built from cells, which take long, are left out unless nothing else was planned.

    >>> checks = quick(plan(["rnn.lstm"], ["pytorch"]))
    >>> {(check.variant, check.dtype, check.config, check.lengths, check.mode) for check in checks}
    {('packed', 'float32', 'one_layer', 'ragged', 'eager')}
    """
    planned = list(checks)
    usual = [check for check in planned if not takes_long(OPERATIONS[check.operation])]
    first: dict[tuple[str, str], tuple[str, str]] = {}
    selected = []
    for check in usual or planned:
        kept = first.setdefault((check.operation, check.framework), (check.variant, check.dtype))
        config, *_ = OPERATIONS[check.operation].configurations
        lengths, mode = check.lengths or lengths_of(config)[0], check.mode or MODES[check.framework][0]
        one = replace(check, config=check.config or config.name, lengths=lengths, mode=mode)
        if (check.variant, check.dtype) == kept and any(one.runs()):
            selected.append(one)
    return selected


def _combinations(
    rows: list[Operation], dtypes: list[str], frameworks: list[str], variants: set[str], contracts: list[Contract]
) -> Iterator[tuple[Operation, str, str, str, Contract]]:
    """Yield every operation, dtype, framework, variant and contract, in this order."""
    for row, dtype, framework in product(rows, dtypes, frameworks):
        for variant in row.variants[framework]:
            if variant in variants:
                yield from ((row, dtype, framework, variant, contract) for contract in contracts)


def check_recorded(tasks: Iterable[object], recording: Recording | None) -> None:
    """Make sure that a recording has what those of its checks that are to run compare with it.

    Raises:
        InputError: an operation, a dtype or a variant was not recorded; the message names the first.
    """
    missing = []
    for task in tasks:
        if recording and isinstance(task, Check) and task.replay:
            variant = task.variant if task.framework == recording.framework else ""
            written_out = task.lengths not in ("", *DESIGNED_TOO)
            if written_out or not recording.holds(task.operation, task.dtype, variant):
                missing.append(", ".join(filter(None, (f"{task.operation} in {task.dtype}", variant, task.lengths))))
    if missing:
        others = len(set(missing)) - 1
        received = f"a recording without {missing[0]}" + (f" and {others} others" if others else "")
        raise InputError("replay", received, "all that is to be checked: select less, or record more")


def _variants(rows: list[Operation], frameworks: list[str], asked: Iterable[str]) -> set[str]:
    there = {variant for row in rows for framework in frameworks for variant in row.variants[framework]}
    return {choose("variant", variant, sorted(there)) for variant in names("variants", asked)} or there


def _contracts(asked: Iterable[str], full: bool, recording: Recording | None) -> list[Contract]:
    chosen = [CONTRACTS[choose("contract", name, CONTRACTS)] for name in names("contracts", asked)]
    if not recording and any(contract.recorded for contract in chosen):
        raise InputError("contract", "'agrees_with_recording' without a recording", "one to replay")
    if any(contract.trained for contract in chosen):
        raise InputError("contract", "'trains_alike'", "a contract of a single run; parity.training plans this one")
    return chosen or [
        contract
        for contract in CONTRACTS.values()
        if (full or not contract.compiled)
        and not contract.exported  # in PyTorch, packing cannot be: half of all recurrent variants would be refused
        and (recording or not contract.recorded)
        and not contract.trained
    ]


def _check_options(
    seed: int, full: bool, device: DeviceSettings, frameworks: list[str], recording: Recording | None
) -> None:
    whole_number("seed", seed)
    of_kind("full", full, bool, "True or False")
    of_kind("device", device, DeviceSettings, "parity.frameworks.DeviceSettings")
    of_kind("recording", recording, (Recording, type(None)), "a recording, from parity.frameworks.recording.verified")
    if recording and recording.seed != seed:
        raise InputError("seed", seed, f"{recording.seed}, that of the recording in {str(recording.folder)!r}")
    if absent := lacks(device.device, frameworks):
        raise InputError("device", repr(device.device), f"a device that is here: {absent}")


def _check_cases(rows: list[Operation], frameworks: list[str], config: str, lengths: str, mode: str) -> None:
    """Check that a configuration, lengths and a mode exist; each may be empty."""
    if config != "":
        choose("config", config, dict.fromkeys(one.name for row in rows for one in row.configurations))
    of_kind("lengths", lengths, str, 'lengths by name or written out, such as "3,0,1:5"')
    if lengths and lengths not in REAL:
        parse_lengths(lengths)
    if mode != "":
        tables = (MODES, COMPILED, EXPORTED)
        choose("mode", mode, dict.fromkeys(one for name in frameworks for table in tables for one in table[name]))


def _is_promised(contract: Contract, row: Operation, framework: str, dtype: str) -> bool:
    """Tell whether some case of an operation can be held to a contract, in some mode of a framework."""
    if not contract.tried_in(dtype) or not contract.modes(framework):
        return False
    return not all(contract.unless_config(config) for config in row.configurations)


def _replay(contract: Contract, framework: str, recording: Recording | None) -> str:
    """Return the recording's folder for what is compared with it: its own framework, or the other one."""
    if not recording:
        return ""
    concerned = contract.recorded if framework == recording.framework else contract.both_frameworks
    return str(recording.folder) if concerned else ""


def _hint(
    rows: list[Operation], contracts: list[Contract], lengths: str, mode: str, dtypes: list[str], full: bool
) -> str:
    """Suggest what a selection without a check needs."""
    compiled = [one for modes in COMPILED.values() for one in modes]
    if not full and mode in compiled:
        return f"mode {mode!r} in a full run: --full"
    if mode in compiled and DTYPES[0] not in dtypes:
        return f"dtype {DTYPES[0]!r}, the only one that is compiled"
    modes = dict.fromkeys(one for contract in contracts for name in FRAMEWORKS for one in contract.modes(name))
    if mode and mode not in modes:
        tried = " and ".join(contract.name for contract in contracts[:3])
        return f"one of the modes in which {tried} are tried: {', '.join(modes)}"
    if set(dtypes) <= set(NARROW):
        return _narrow_hint(lengths, mode, " and ".join(dtypes))
    configs = [config for row in rows for config in row.configurations]
    promised = [one for one in contracts if not all(map(one.unless_config, configs))]
    if lengths and promised:
        named = list(dict.fromkeys(one for contract in promised for one in contract.lengths))
        return f"lengths that the chosen contracts are tried on, {', '.join(named[:3])} say, or lengths written out"
    return "one of the contracts that the chosen operations promise"


def _narrow_hint(lengths: str, mode: str, dtypes: str) -> str:
    if mode and not any(mode == modes[0] for modes in MODES.values()):
        return f"mode {MODES[FRAMEWORKS[0]][0]!r}, the only one that is tried in {dtypes}"
    if lengths in NAMED and lengths not in FIRST:
        return f"lengths {FIRST[0]!r}, or lengths written out: no others are tried in {dtypes}"
    narrow = ", ".join(one.name for one in CONTRACTS.values() if one.narrow and not one.recorded)
    return f"one of the contracts that are tried in {dtypes}: {narrow}"
