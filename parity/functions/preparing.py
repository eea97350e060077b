"""Prepare what a user gives to be checked: recognise its framework, check its arguments, bind it to configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from parity import frameworks
from parity.cases.case import Case
from parity.cases.lengths import lengths_of
from parity.cases.sampling import sample_case
from parity.checks.own import Own
from parity.errors import InputError
from parity.functions.binding import Function, bound, check_signature, takes, with_its_options
from parity.functions.modules import fitted
from parity.functions.recognising import first_that_runs, framework_of, is_module
from parity.operations import Configuration, Operation

CALL = {"pytorch": "forward", "tensorflow": "call"}  # the method of a module or a layer that has its arguments


@dataclass(frozen=True)
class Prepared:
    """A function, module or layer that is ready to be checked."""

    framework: str
    own: Own
    notes: tuple[str, ...] = ()
    is_module: bool = False


def prepared(
    function: Function,
    row: Operation,
    configs: Sequence[Configuration],
    framework: str,
    dtype: str,
    own: Own,
    lengths: str,
    seed: int,
) -> Prepared:
    """Bind a function to configurations.

    Args:
        framework: empty if it has to be recognised.
        own: what is asked of the function, without calls.

    Raises:
        InputError: it cannot be called with the arguments of the operation, or its framework cannot be recognised.
        FrameworkUnavailable: its framework cannot be loaded.
    """
    by_class = next((one for one in frameworks.FRAMEWORKS if is_module(function, one)), "")
    own_call = getattr(function, CALL[by_class]) if by_class else None
    configs = with_its_options(own_call or function, configs)
    if own_call and not takes(own_call, configs):  # one that takes the weights too is a function
        return _module(function, by_class, row, configs, dtype, own)
    check_signature(own_call or function, row, configs)
    if not framework:
        trial = partial(bound, function, row, configs[0], own=own)
        framework = framework_of(function, trial, _first_case(row, configs[0], dtype, own, lengths, seed))
    frameworks.runtime(framework)
    others = _other_sides(own_call or function, row, configs)
    calls = {one.name: bound(function, row, one, framework, own) for one in (*configs, *others)}
    return Prepared(framework, replace(own, calls=calls))


def _other_sides(function: Function, row: Operation, configs: Sequence[Configuration]) -> list[Configuration]:
    """Return the configurations that those with padding on the left are compared with."""
    found = (row.other_side(config) for config in configs if config.options.get("left"))
    return [one for one in found if one and one not in configs and takes(function, [one])]


def prepared_like(
    function: Function,
    row: Operation,
    configs: Sequence[Configuration],
    first: str,
    dtype: str,
    own: Own,
    lengths: str,
    seed: int,
) -> Prepared:
    """Bind a function that gives what is expected to configurations, as `prepared` does.

    Args:
        first: the framework that is tried first.
        own: what is asked of the function that is held to it, with its calls.

    Raises:
        InputError: it cannot be called with the arguments of the operation, in no framework.
    """
    try:
        framework = ""
        if not any(is_module(function, one) for one in frameworks.FRAMEWORKS):
            check_signature(function, row, configs)
            trial = partial(bound, function, row, configs[0], own=own)
            case = _first_case(row, configs[0], dtype, own, lengths, seed)
            framework = first_that_runs(trial, case, sorted(frameworks.FRAMEWORKS, key=lambda name: name != first))
        other = prepared(function, row, configs, framework, dtype, own, lengths, seed)
    except InputError as error:
        raise InputError("like", *error.args[1:]) from None
    if own.sizes and other.own.sizes and dict(own.sizes) != dict(other.own.sizes):
        received, expected = (", ".join(f"{a} = {n}" for a, n in one.sizes) for one in (other.own, own))
        raise InputError("like", f"one with {received}", f"the sizes of the function: {expected}")
    return replace(other, own=replace(other.own, sizes=other.own.sizes or own.sizes))


def _module(
    module: Function, framework: str, row: Operation, configs: Sequence[Configuration], dtype: str, own: Own
) -> Prepared:
    """Bind a module or a layer to those configurations that it can compute."""
    frameworks.runtime(framework)
    sided = [replace(config, left=True) if own.is_moved(config) else config for config in configs]
    found = fitted(module, framework, row.name, sided, dtype)
    able = [config for config in configs if config.name in found and _divides(config, found[config.name].sizes)]
    calls = {config.name: bound(found[config.name].function, row, config, framework, own) for config in able}
    notes = []
    if len(able) < len(configs):
        notes.append(f"tried as {', '.join(found)}, which it computes, and no other configuration")
    least = own.min_length
    if any(one.packed for one in found.values()) and not least:
        least = 1
        notes.append("its lengths are given by packing, which takes no empty sequence: min_length is 1")
    sizes = tuple(found[able[0].name].sizes.items()) if able else ()
    return Prepared(framework, replace(own, calls=calls, min_length=least, sizes=sizes), tuple(notes), is_module=True)


def _divides(config: Configuration, sizes: Mapping[str, int]) -> bool:
    """Tell whether heads share the features of a module evenly."""
    return bool(sizes.get("H", 0) % config.options.get("heads", 1) == 0)


def _first_case(row: Operation, config: Configuration, dtype: str, own: Own, lengths: str, seed: int) -> Case:
    """Return the first case, without empty sequences if it has others: a function may raise on those."""
    case = sample_case(row.name, config.name, lengths or lengths_of(config)[0], dtype, seed)
    case = case.keeping(set(case.cotangents) - set(own.omits))
    case = case if own.gradients else case.forward_only()
    return case.taken(np.flatnonzero(case.lengths)) if case.lengths.any() else case
