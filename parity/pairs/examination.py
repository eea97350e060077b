"""Examine a pair whose weights are carried: compare, explain differences, hold each model to contracts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace

from parity.checks.blame import Blame
from parity.checks.comparison import Difference, mismatch
from parity.checks.result import Result
from parity.checks.verdict import Verdict
from parity.errors import INTERRUPTS, InputError, first_lines, message_of
from parity.models.checking import judge_side
from parity.models.contracts import CONTRACTS, LEFT
from parity.models.findings import Findings
from parity.models.sequences import Inputs
from parity.pairs.apart import finite
from parity.pairs.carrying import Carried, Carrier
from parity.pairs.causes import Trials, cause_of, gradients_first, only_loss
from parity.pairs.comparing import Links, Seen, compare_pair, observe_both
from parity.pairs.first_difference import FirstDifference, Traces
from parity.pairs.halves import DOUBLE, SINGLE, Half, match_outputs, measure_precision
from parity.pairs.interventions import cause_in_dropout, cause_in_gradients, rounded_constants, unreached
from parity.pairs.layers import LayerDifference, LayerWeights, layer_differences
from parity.pairs.losses import recognised_losses
from parity.pairs.onnx_half import OnnxHalf
from parity.pairs.outputs_only import cause_in_outputs, first_in_outputs
from parity.pairs.randomness import Dropouts, rates_note, still_random
from parity.pairs.training import Training
from parity.pairs.verdict import SAME, PairVerdict

FEW = 8  # seeds


@dataclass(eq=False)
class Examination:
    """Both models with equal weights, or those of the user.

    Attributes:
        halves: both models.
        inputs: what they take.
        carrier, carried: the transfer of weights.
        dtype: to check beside float64.
        seeds: how many samples.
        steps, optimiser: of training.
    """

    halves: tuple[Half, Half]
    inputs: Inputs
    carrier: Carrier
    carried: Carried
    dtype: str
    seeds: int
    steps: int = 0
    optimiser: Any = None
    notes: list[str] = field(default_factory=list)
    double: float | None = None
    single: float | None = None
    error: float | None = None
    masks: dict[str, str] = field(default_factory=dict)
    layers: tuple[LayerDifference, ...] = ()

    def __post_init__(self) -> None:
        framework = "/".join(dict.fromkeys(half.side.framework for half in self.halves))
        self.found = Findings(" = ".join(half.side.name for half in self.halves), framework, self.notes)

    def verdict(self, chosen: list[str], expected: Mapping[str, str]) -> PairVerdict:
        """Examine the pair and conclude."""
        own = {name: reason for name, reason in expected.items() if name == SAME}
        first, cause, same = None, "", None
        try:
            if self.carried.unequal:
                same, cause = False, "no weights make them equal: " + "; ".join(self.carried.unequal[:2])
                first = FirstDifference(*self.carried.layers, where="weights") if any(self.carried.layers) else None
                self.found.add(SAME, DOUBLE, 0, [mismatch("weights", cause)])
            else:
                same, first, cause = self._compared()
        except (InputError, *INTERRUPTS):
            raise
        except Exception as error:  # whatever a model raises is what there is to report
            self.found.add(SAME, DOUBLE, 0, [mismatch("", f"raised {first_lines(message_of(error))}", "raised")])
        found = self.found.verdict(own)
        sides = [self._of_side(number, chosen, expected) for number in (0, 1)] if chosen else []
        untried = [side.declined.pop(LEFT, "") for side in sides if LEFT not in chosen]  # how to try it is another here
        if any(untried):
            self.notes.append(f'padding on the left was not tried: contracts=["{LEFT}"] tries it')
        return self._concluded(found, sides, first, cause, same)

    def _compared(self) -> tuple[bool, FirstDifference | None, str]:
        notes = [*match_outputs(self.halves, self.inputs), *measure_precision(self.halves, self.inputs)]
        self.notes += [half.caveat for half in self.halves if half.caveat] + notes
        self.notes += [*self.carried.notes[:2], *self._of_training()]
        if self.carried.rounded:
            self.notes.append("weights are equal up to rounding to float32 only: both are compared so")
        wide = SINGLE if all(half.wide == SINGLE for half in self.halves) or self.carried.rounded else DOUBLE
        whole = [half for half in self.halves if half.is_whole]
        self.found.wide = whole[0].wide if whole else wide
        transfer = self.carried.transfer
        links = None if transfer is None else Links.of(transfer, self.carried.forward)
        for seed in range(self.seeds):
            seen = observe_both(self.halves, self.inputs, seed)
            differences = compare_pair(seen, (seen[0].expected, seen[1].expected), links, wide)
            failed = self.found.add(SAME, self.found.wide, seed, differences)
            self.double = max(self.double or 0.0, _relative(differences, seen))
            self._in_dtype(seen, links, seed, differences)
            if failed:
                return False, *self._explained(seen, links, seed, differences)
            if not seed:
                self._measure_layers(seed)
                pairs = enumerate(zip(seen, reversed(seen), strict=True))
                self.notes += filter(None, (rounded_constants(one, number, other) for number, (one, other) in pairs))
        return self._trained(links)

    def _trained(self, links: Links | None) -> tuple[bool, FirstDifference | None, str]:
        """Compare both models in the mode of training, if that is asked for."""
        if not (self.steps or self._is_training):
            return True, None, ""
        if not all(half.runs for half in self.halves):
            self.notes.append("moving statistics are not compared with a recording")
            return True, None, ""
        with ExitStack() as stack:
            if not self._is_training:
                for half in self.halves:
                    half.enter_training(stack)
                self.notes += self._of_randomness()
                seen = observe_both(self.halves, self.inputs, 0)
                differences = compare_pair(seen, (seen[0].expected, seen[1].expected), links, self.found.wide)
                if self.found.add(SAME, self.found.wide, 0, differences):
                    self.notes.append("in the mode of inference both agree")
                    return False, *self._explained(seen, links, 0, differences)
            options = self.carrier, self.carried, self.steps, self.optimiser, self.dtype
            trained = Training(self.halves, self.inputs, *options).run()
        if trained is None:
            self.notes += ["training: weights cannot be compared"] if self.steps else []
            return True, None, ""
        self.notes += trained.notes
        self.found.add(SAME, self.found.wide, 0, trained.wide)
        if trained.narrow:
            self.found.add(SAME, self.dtype, 0, trained.narrow)
        return trained.first is None, trained.first, trained.cause

    def _of_training(self) -> list[str]:
        """Return notes about settings that differ and that only training shows, and about what is random."""
        if any(half.is_whole for half in self.halves):
            return []
        notes = []
        for row in self.carried.rows if not (self.steps or self._is_training) else ():
            if "momentum" in row.configuration:
                own, theirs = row.configuration["momentum"][:: 1 if self.carried.forward else -1]
                notes.append(f"momentum of `{row.source}` is {own} left, {theirs} right: try training=True")
        if not (self.steps or self._is_training):
            notes += rates_note(*(half.rates() for half in self.halves))
        return notes + self._of_randomness() if self._is_training else notes

    @property
    def _is_training(self) -> bool:
        return self.halves[0].side.training

    def _of_randomness(self) -> list[str]:
        """Return notes about dropout, and what stays random in the mode of training."""
        dropped = [half.dropped or Dropouts() for half in self.halves]
        live = [half for half in self.halves if half.runs]
        random = [(half.name, name) for half in live if (name := still_random(half, self.inputs))]
        notes = rates_note(*dropped)  # after a run, which calls functions too
        notes += [f"{name} stays random in the mode of training: {layer}" for name, layer in random]
        if any(one.rates for one in dropped) and len(notes) == len(random):
            notes.append(f"dropout was set to 0: left {dropped[0]}; right {dropped[1]}")
        return notes

    def _in_dtype(self, seen: tuple[Seen, Seen], links: Links | None, seed: int, differences: list[Difference]) -> None:
        """Compare in the dtype asked for, unless that is the widest one, whose differences are known."""
        if self.dtype == DOUBLE:
            return
        if self.dtype != self.found.wide:
            settings = [one.half.setting(self.inputs, seed, self.dtype) for one in seen]
            mode = "eager" if self.seeds < FEW else ""  # a graph takes longer to trace than a few runs
            left, right = (one.half.observed(setting, mode) for one, setting in zip(seen, settings, strict=True))
            differences = compare_pair(seen, (left, right), links, self.dtype)
            self.found.add(SAME, self.dtype, seed, differences)
        outputs = [one for one in differences if not one.quantity.startswith("d_")]
        self.error = max([self.error or 0.0, *(one.max_abs_error for one in outputs)])
        scores = [one.score for one in differences if np.isfinite(one.score)]
        self.single = max([self.single or 0.0, *scores])

    def _explained(
        self, seen: tuple[Seen, Seen], links: Links | None, seed: int, differences: list[Difference]
    ) -> tuple[FirstDifference | None, str]:
        """Find where both models begin to differ, and why; a model that cannot be traced may raise anything."""
        if any(half.is_whole for half in self.halves):
            return self._of_outputs(seen, seed, differences)
        try:
            with np.errstate(all="ignore"):  # inf and NaN are results too
                traces = self._traced(seed)
                self._measure_layers(seed, traces)
                return self._located(traces, seen, links, differences)
        except INTERRUPTS:
            raise
        except Exception as error:
            self.notes.insert(0, f"where they begin to differ is not known: {first_lines(message_of(error))}")
            return None, ""

    def _of_outputs(
        self, seen: tuple[Seen, Seen], seed: int, differences: list[Difference]
    ) -> tuple[FirstDifference | None, str]:
        """Find the first difference in outputs, and a change of the model that has layers which explains it."""
        failed = [one for one in differences if one.failed]
        first = first_in_outputs(seen, failed, self.found.wide)
        if first is None:
            return None, ""
        if first.kind:
            self.notes.insert(0, f"they differ {first.kind}")
        try:
            return first, cause_in_outputs(self.halves, self.inputs, seed, self.found.wide)
        except INTERRUPTS:
            raise
        except Exception as error:  # the model, which is traced, may raise anything
            self.notes.append(f"no cause was tried: {first_lines(message_of(error))}")
            return first, ""

    def _traced(self, seed: int) -> Traces:
        tracers = self.halves[0].tracer(self.inputs, seed), self.halves[1].tracer(self.inputs, seed)
        return Traces(self.halves, tracers, self.carried.rows, self.carried.forward)

    def _measure_layers(self, seed: int, traces: Traces | None = None) -> None:
        """Measure how far all layers are apart; a model that cannot be traced may raise anything.

        Args:
            seed: of the batch.
            traces: on it; None if both models agree, so that no layer needs a noise floor.
        """
        if any(half.is_whole for half in self.halves):
            return
        try:
            with np.errstate(all="ignore"):
                same = traces is None
                self.layers = layer_differences(traces or self._traced(seed), self.inputs, self.dtype, same=same)
        except INTERRUPTS:
            raise
        except Exception as error:
            self.notes.append(f"how far layers are apart is not known: {first_lines(message_of(error))}")

    def _located(
        self, traces: Traces, seen: tuple[Seen, Seen], links: Links | None, differences: list[Difference]
    ) -> tuple[FirstDifference | None, str]:
        failed = [one for one in differences if one.failed]
        self.masks = {half.name: end for number, half in enumerate(self.halves) if (end := traces.mask_end(number))}
        if all(one.quantity.startswith("d_") for one in failed):
            first = gradients_first(traces, failed)
        elif (loss := only_loss(failed)) is not None:
            return loss, recognised_losses(seen)
        else:
            first = traces.first()
        if first is None:
            return None, self._cause_in_weights(seen)
        if first.where == "after":
            first = replace(first, difference=max(one.max_abs_error for one in failed))
        cause = self._cause_in_weights(seen) or cause_in_dropout(seen, links)
        if not cause and first.where == "gradients":
            note, where = unreached(traces, seen, failed)
            self.notes += [note] if note else []
            cause = cause_in_gradients(seen, links, failed, where)
        cause = cause or cause_of(Trials(traces, seen, links, first))
        if not cause:
            self.notes += self._not_tried(first)
        return first, cause

    def _not_tried(self, first: FirstDifference) -> list[str]:
        """Return notes about settings that differ where models begin to, if a recording has one of them."""
        if all(half.runs for half in self.halves):
            return []
        names = [first.left, first.right][:: 1 if self.carried.forward else -1]
        order = 1 if self.carried.forward else -1
        return [
            f"{setting} is {values[::order][0]} left, {values[::order][1]} right, which was not tried on a recording"
            for row in self.carried.rows
            if [row.source, row.target] == names
            for setting, values in row.configuration.items()
        ]

    def _cause_in_weights(self, seen: tuple[Seen, Seen]) -> str:
        """Name weights of the user's that are not those of the rules, if these make both agree."""
        carried = self.carried
        if not carried.wrong or carried.mended is None:
            return ""
        number, instead = carried.mended
        name, (array, has) = self.halves[int(carried.forward)].name, next(iter(carried.wrong.items()))
        more = f", and {len(carried.wrong) - 1} arrays more are wrong" if len(carried.wrong) > 1 else ""
        said = f"weights: `{array}` {name} {has}{more}"
        if not self.halves[number].runs:
            self.notes.append(said)
            return ""
        weights = self.halves[number].weights
        restore = weights.keep()
        try:
            weights.assign(instead)
            self.carrier.forget()
            quantities = [one.expected for one in seen]
            setting = seen[number].setting
            quantities[number] = setting.view.observe([setting.base])
            found = compare_pair(seen, (quantities[0], quantities[1]), None, DOUBLE)
        finally:
            restore()
            self.carrier.forget()
        if any(one.failed for one in found):
            return ""
        apart = max(one.max_abs_error for one in found)
        return f"{said}; with those of transfer_weights both agree to {apart:.1e}"

    def _of_side(self, number: int, chosen: list[str], expected: Mapping[str, str]) -> Verdict:
        """Hold one model to contracts."""
        half = self.halves[number]
        if not half.runs:
            declined = dict.fromkeys(chosen, f"{half.name} is a recording, which runs on no other batch")
            return Verdict(name=half.side.name, framework=half.side.framework, declined=declined)
        own = {name.partition(".")[2]: why for name, why in expected.items() if name.startswith(f"{half.name}.")}
        seeds = max(1, self.seeds // 3)
        if not isinstance(half, OnnxHalf):
            return judge_side(half.side, self.inputs, chosen, DOUBLE, seeds, [], blamed=False).verdict(own)
        declined = half.declined(chosen)
        rest = [name for name in chosen if name not in declined]
        if not rest:
            return Verdict(name=half.side.name, framework=half.side.framework, declined=declined)
        half.lend()
        found = judge_side(half.side, self.inputs, rest, half.wide, seeds, [], blamed=False)
        found.declined |= declined
        return found.verdict(own)

    def _concluded(
        self, found: Verdict, sides: list[Verdict], first: FirstDifference | None, cause: str, same: bool | None
    ) -> PairVerdict:
        results: list[Result] = list(found.results)
        declined: dict[str, str] = {}
        blames: dict[str, Blame] = {}
        for half, verdict in zip(self.halves, sides, strict=False):
            results += [
                replace(one, contract=f"{half.name}.{one.contract}", variant=half.name) for one in verdict.results
            ]
            declined |= {f"{half.name}.{name}": why for name, why in verdict.declined.items()}
            blames |= {f"{half.name}.{name}": blame for name, blame in verdict.blames.items()}
        return PairVerdict(
            name=found.name,
            framework=found.framework,
            results=tuple(results),
            declined=declined,
            blames=blames,
            otherwise={name: contract.otherwise for name, contract in CONTRACTS.items()},
            axes=dict(self.halves[0].axes),
            notes=tuple(dict.fromkeys(self.notes)),
            same_function=same,
            table=tuple(LayerWeights.of(row, self.carried.forward) for row in self.carried.rows),
            layers=self.layers,
            difference=first,
            cause=cause,
            mask_ends=self.masks,
            double=finite(self.double),
            single=finite(self.single),
            error=finite(self.error),
            dtype=self.dtype,
            wide=self.found.wide,
            weights=self.carried.summary,
        )


def _relative(differences: list[Difference], seen: tuple[Seen, Seen]) -> float:
    """Return the largest difference of outputs over the largest output."""
    found = [0.0]
    for one in differences:
        if one.quantity in seen[0].expected and not one.quantity.startswith("d_"):
            largest = float(np.max(np.abs(seen[0].expected[one.quantity]), initial=1e-300))
            found.append(one.max_abs_error / largest)
    return max(found)
