"""Sample sequences of unequal lengths, or take those of a user's own batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.arrays import Array, check_lengths
from parity.errors import InputError, choose, finite, listed, of_kind, plain_array, shown, whole_number
from parity.models.binding import KNOWN
from parity.models.inputs import MOST, Features, Input, Labels, Tokens


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences before they are laid out in a batch.

    Attributes:
        lengths: of each.
        arrays: input -> for each sequence, its steps ``(L, ...)``, or its one item ``()``.
    """

    lengths: tuple[int, ...]
    arrays: Mapping[str, tuple[Array, ...]]

    def cut(self, steps: int) -> Sequences:
        """Cut each sequence to its first steps."""
        arrays = {name: tuple(each[:steps] if each.ndim else each for each in own) for name, own in self.arrays.items()}
        return Sequences(tuple(min(length, steps) for length in self.lengths), arrays)

    def only(self, chosen: Sequence[int]) -> Sequences:
        """Choose sequences by their numbers, some perhaps twice."""
        arrays = {name: tuple(own[n] for n in chosen) for name, own in self.arrays.items()}
        return Sequences(tuple(self.lengths[n] for n in chosen), arrays)

    def with_empty(self) -> Sequences:
        """Add a sequence without steps at the end."""
        arrays = {name: (*own, own[0][:0] if own[0].ndim else own[0]) for name, own in self.arrays.items()}
        return Sequences((*self.lengths, 0), arrays)

    def replace_first(self, other: Sequences) -> Sequences:
        """Put other values into the first sequence, those of the first one of ``other``, which is as long."""
        return Sequences(self.lengths, {name: (other.arrays[name][0], *own[1:]) for name, own in self.arrays.items()})


@dataclass(frozen=True)
class LengthsSpec:
    """A description of the lengths of sequences; made by `lengths`.

    Attributes:
        values: the lengths themselves, if they are given.
        batch, longest, shortest: B, and the longest and the shortest of those that are sampled.
        longest_first: whether they are in decreasing order.
        holes: whether padding is scattered between the steps of a sequence, instead of behind them.
    """

    values: tuple[int, ...] | None = None
    batch: int = 5
    longest: int = 11
    shortest: int = 1
    longest_first: bool = False
    holes: bool = False

    def sample(self, rng: np.random.Generator) -> list[int]:
        """Return unequal lengths, the shortest and the longest among them."""
        if self.values is not None:
            return list(self.values)
        others = rng.integers(self.shortest, self.longest + 1, max(0, self.batch - 2))
        ends = [self.longest, self.shortest][: self.batch]
        sampled = [int(length) for length in rng.permutation([*ends, *others])]
        return sorted(sampled, reverse=True) if self.longest_first else sampled


@dataclass(frozen=True)
class Inputs:
    """A description of all inputs of a model; made by `inputs` or `batch`.

    Attributes:
        arrays: the description of each input, by name.
        lengths: that of the sequences.
        given: the user's own sequences, if there are any.
    """

    arrays: Mapping[str, Input]
    lengths: LengthsSpec
    given: Sequences | None = None

    def sample(self, seed: int, lengths: Sequence[int] | None = None) -> Sequences:
        """Return sequences, the same for the same seed; those of the user, if they are given.

        Args:
            seed: of the lengths and of the values.
            lengths: those of other values for the sequences, in place of sampled ones.
        """
        if self.given and lengths is None:
            return self.given
        rng = np.random.default_rng([seed, 15])
        own = self.lengths.sample(rng) if lengths is None else lengths
        arrays = {name: tuple(spec.sample(rng, length) for length in own) for name, spec in self.arrays.items()}
        return Sequences(tuple(own), arrays)

    def padding(self, name: str, size: tuple[int, ...], fill: int | None) -> Array:
        """Return a batch full of padding: the usual one, or another with each number ``fill``."""
        spec = self.arrays[name]
        assert not isinstance(spec, Labels)  # they have no steps
        if fill is None or spec.known_by_value:
            return np.full(size, spec.padding)
        return spec.refill(np.random.default_rng([fill, 16]), size, fill)


def lengths(
    values: Sequence[int] | None = None,
    *,
    batch: int = 5,
    longest: int = 11,
    shortest: int = 1,
    longest_first: bool = False,
    holes: bool = False,
) -> LengthsSpec:
    """Describe the lengths of the sequences in a batch.

    Args:
        values: the lengths themselves; sampled when None.
        batch: B.
        longest, shortest: both are among those that are sampled.
        longest_first: whether they are in decreasing order, as ``pack_padded_sequence`` asks for by default.
        holes: whether padding is also between the steps of a sequence. The model needs a mask then.

    Raises:
        InputError: no lengths, or negative ones.

    >>> lengths([3, 1]).values, lengths(batch=2, longest=7).sample(np.random.default_rng(0))
    ((3, 1), [7, 1])
    """
    of_kind("longest_first", longest_first, bool, "True or False")
    of_kind("holes", holes, bool, "True or False")
    if values is not None:
        received = check_lengths(listed("values", values, "lengths, whole numbers"), MOST)
        if not len(received) or not max(received):
            raise InputError("values", shown(values), "at least one sequence with a step")
        own = tuple(sorted(map(int, received), reverse=True)) if longest_first else tuple(map(int, received))
        return LengthsSpec(own, len(own), max(own), min(own), longest_first, holes)
    whole_number("batch", batch, least=1, most=MOST)
    whole_number("longest", longest, least=1, most=MOST)
    whole_number("shortest", shortest, least=0, most=longest)
    return LengthsSpec(None, batch, longest, shortest, longest_first, holes)


def inputs(*, lengths: LengthsSpec | None = None, **arrays: Input) -> Inputs:
    """Describe what a model takes, by the names of its arguments or by common ones.

    Args:
        lengths: from `parity.lengths`; by default five sequences of 1 to 11 steps.
        arrays: `parity.tokens`, `parity.features` or `parity.labels` by name.

    Raises:
        InputError: no input with steps, something that is no description, or a name that every batch has already,
            such as ``mask`` or ``positions``: these follow from the lengths.

    >>> import parity
    >>> sorted(inputs(tokens=parity.tokens(100), target=parity.labels(3)).sample(seed=0).arrays)
    ['target', 'tokens']
    """
    _check_names(arrays)
    for name, spec in arrays.items():
        of_kind(name, spec, (Tokens, Features, Labels), "parity.tokens(…), parity.features(…) or parity.labels(…)")
    if all(isinstance(spec, Labels) for spec in arrays.values()):
        raise InputError("inputs", ", ".join(arrays) or "nothing", "tokens or features of at least one name")
    own = LengthsSpec() if lengths is None else of_kind("lengths", lengths, LengthsSpec, "parity.lengths(…)")
    return Inputs(arrays, own)


def batch(*, lengths: Sequence[int] | Array, padding: Mapping[str, float] | None = None, **arrays: Array) -> Inputs:
    """Take a batch of your own, padded on the right; it is cut, padded and permuted like a sampled one.

    Args:
        lengths: ``(B,)``, whole numbers.
        padding: the value on padding, by name; 0 by default.
        arrays: ``(B, T)`` ids, ``(B, T, D)`` floats, or ``(B,)`` labels, by name. A step may have any other shape.

    Raises:
        InputError: arrays that do not fit each other or the lengths, ids below 0 or from 2^31 on, floats that are not
            finite on real steps, or a name that every batch has already, such as ``mask``.

    >>> own = batch(tokens=np.array([[5, 7], [3, 0]]), lengths=[2, 1])
    >>> own.sample(seed=0).arrays["tokens"][1]
    array([3])
    """
    _check_names(arrays)
    received = {name: np.asarray(plain_array(name, array)) for name, array in arrays.items()}
    with_steps = [array for array in received.values() if array.ndim > 1]
    if not with_steps:
        raise InputError("batch", ", ".join(arrays) or "nothing", "an array (B, T) or (B, T, D) of at least one name")
    steps = with_steps[0].shape[1]
    real = check_lengths(listed("lengths", lengths, "lengths, whole numbers"), steps)
    if not len(real) or not max(real):
        raise InputError("lengths", shown(lengths), "at least one sequence with a step")
    for name, array in received.items():
        if not array.ndim or len(array) != len(real) or (array.ndim > 1 and array.shape[1] != steps):
            raise InputError(name, f"shape {array.shape}", f"B = {len(real)} and T = {steps} first")
    own = {
        name: tuple(row[:length] if row.ndim else row for row, length in zip(array, real, strict=True))
        for name, array in received.items()
    }
    fills = _paddings(padding, received)
    specs = {name: _described(name, array, own[name], fills[name]) for name, array in received.items()}
    each = tuple(map(int, real))
    return Inputs(specs, LengthsSpec(each, len(each), max(each), min(each)), Sequences(each, own))


def _check_names(arrays: Mapping[str, object]) -> None:
    """Refuse the names of what every batch has: it follows from the lengths, in each layout."""
    for name in arrays:
        if name in KNOWN:
            raise InputError("inputs", f"the name {name!r}", f"other names than {', '.join(KNOWN)}, which batches have")


def _paddings(padding: Mapping[str, float] | None, arrays: Mapping[str, Array]) -> dict[str, float]:
    """Return the value on padding of each array."""
    values = {} if padding is None else dict(of_kind("padding", padding, Mapping, "values by the names of arrays"))
    known = [name for name, array in arrays.items() if array.ndim > 1]
    for name, value in values.items():
        choose("padding", name, known)
        expected = "a whole number of 32 bits" if arrays[name].dtype.kind in "biu" else "a finite number"
        number = finite(f"padding[{name!r}]", value, expected)
        if expected != "a finite number" and (number != int(number) or not -(2**31) <= number < 2**31):
            raise InputError(f"padding[{name!r}]", shown(value), expected)
    return {name: values.get(name, 0) for name in arrays}


def _described(name: str, array: Array, own: Sequence[Array], padding: float) -> Input:
    """Return the description of a user's own array, of whose real steps each sequence has its ``own``."""
    whole = array.dtype.kind in "biu"
    if not all(array.shape[1:]):
        expected = "ids (B, T), floats (B, T, D) or labels (B,)"
        raise InputError(name, f"shape {array.shape} of {array.dtype}", expected)
    if not whole:
        if not all(np.isfinite(each).all() for each in own):
            raise InputError(name, "NaN or inf on real steps", "finite numbers there")
        return Features(array.shape[2:], float(padding), 1.0, known_by_value=False) if array.ndim > 1 else Labels(0)
    ids = array if array.ndim == 1 else np.concatenate(own)
    ids = ids[ids != padding]  # a loss ignores some real steps too, by the value of padding
    least, most = ids.min(initial=0), ids.max(initial=0)
    if least < 0 or most >= 2**31:
        raise InputError(name, f"{least if least < 0 else most}", "ids from 0 to 2147483647 on real steps")
    if array.ndim == 1:
        return Labels(max(2, int(most) + 1))
    vocabulary = max(2, int(most) + 1, min(int(array.max(initial=0)) + 1, 2**31))
    return Tokens(vocabulary, int(padding), not 0 <= padding < vocabulary, array.shape[2:])
