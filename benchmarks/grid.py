"""List the timed rows: operations, length distributions and sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parity.arrays import Lengths
from parity.cases import real_data
from parity.cases.case import Case
from parity.cases.lengths import sample_lengths
from parity.cases.sampling import with_lengths
from parity.errors import InputError, fits
from parity.operations import find
from parity.throughput.benchmark import Candidate, candidates


@dataclass(frozen=True)
class Size:
    """B sequences padded to T, of D features, and H hidden units."""

    batch: int
    steps: int
    features: int
    hidden: int

    def __str__(self) -> str:
        return f"{self.batch}x{self.steps}x{self.features}x{self.hidden}"


# rows that would take too long at "large" are timed at "small"
SCALES = {
    "tiny": {"large": Size(4, 6, 3, 4), "small": Size(4, 6, 3, 4)},
    "default": {"large": Size(64, 128, 128, 256), "small": Size(32, 64, 64, 128)},
    "gpu": {"large": Size(256, 256, 512, 1024), "small": Size(128, 128, 256, 512)},
}
VOCABULARY, CLASSES = 5000, 1000
DISTRIBUTIONS = ("all_equal", "uniform", "lognormal", "one_long", "bimodal")


def scale(given: str) -> dict[str, Size]:
    """Return the sizes of a scale by its name, or "B,T,D,H" for both.

    >>> str(scale("8,16,4,4")["small"])
    '8x16x4x4'
    """
    if given in SCALES:
        return SCALES[given]
    try:
        batch, steps, features, hidden = map(int, given.split(","))
    except ValueError:
        raise InputError("--parity-scale", repr(given), f"{', '.join(SCALES)} or B,T,D,H") from None
    if min(batch, steps, features, hidden) < 1:
        raise InputError("--parity-scale", repr(given), "sizes of 1 or more")
    fits("--parity-scale", batch, steps, max(features, hidden))
    fits("--parity-scale", 4, hidden, max(features, hidden))
    return dict.fromkeys(("large", "small"), Size(batch, steps, features, hidden))


@dataclass(frozen=True)
class Row:
    """One group of benchmarks: all candidates that compute the same thing on the same batch.

    Attributes:
        operation, config, distribution: the computation, and the distribution of its lengths.
        size: "large" or "small".
        budget: seconds for the rounds of one phase.
        without: variants, or "framework.variant", that are left out because they take most of the time.
        also: candidates in another mode than the usual one.
    """

    operation: str
    config: str
    distribution: str
    size: str
    budget: float = 2.5
    without: tuple[str, ...] = ()
    also: tuple[Candidate, ...] = ()

    def __str__(self) -> str:
        config = "" if self.config == find(self.operation).configurations[0].name else f".{self.config}"
        return f"{self.operation}{config}-{self.distribution}-{self.size}"

    def candidates(self) -> list[Candidate]:
        """List every variant of both frameworks, installed or not."""
        return [*candidates(find(self.operation), self.config, self.without), *self.also]

    def case(self, size: Size) -> Case:
        """Sample its input, float32."""
        lengths, steps = sampled_lengths(self.distribution, size)
        widths = {"D": size.features, "H": size.hidden, "V": VOCABULARY, "C": CLASSES}
        return with_lengths(self.operation, self.config, lengths, "float32", 0, steps, **widths)


def sampled_lengths(distribution: str, size: Size) -> tuple[Lengths, int]:
    """Return B lengths and T; with real data, T is the longest length."""
    rng = np.random.default_rng(0)
    if distribution in real_data.DATA:
        sampled = rng.choice(real_data.lengths(distribution), size.batch)
        return sampled, int(sampled.max())
    return sample_lengths(distribution, rng, size.batch, size.steps), size.steps


XLA = tuple(Candidate("tensorflow", variant, "xla") for variant in ("masked", "padded"))
COMPILED = (Candidate("pytorch", "padded", "compiled"),)
LOSS_COMPILED = (Candidate("pytorch", "ignore_index", "compiled"),)
SLOW = ("stepwise", "packed_sorted", "time_major", "padded_native", "dynamic_rnn")  # timed once, at lognormal-small
SLOWER = (*SLOW, "tensorflow.bucketed")  # whose graph takes longest to trace
ROWS = (
    Row("rnn.lstm", "one_layer", "lognormal", "large", budget=18.0, without=SLOW),
    Row("rnn.gru", "one_layer", "lognormal", "large", budget=6.0, without=SLOW),
    Row("rnn.lstm", "one_layer", "lognormal", "small", budget=4.0, also=(*XLA, *COMPILED)),
    *(
        Row("rnn.lstm", "one_layer", distribution, "small", without=SLOW)
        for distribution in (*DISTRIBUTIONS, *real_data.DATA)
        if distribution != "lognormal"
    ),
    Row("rnn.rnn", "tanh", "lognormal", "small", without=SLOW),
    Row("bidirectional.lstm", "one_layer", "lognormal", "small", without=SLOWER),
    Row("bidirectional.gru", "one_layer", "lognormal", "small", without=SLOWER),
    Row("bidirectional.rnn", "tanh", "lognormal", "small", without=SLOWER),
    Row("bidirectional.reverse_sequence", "features", "lognormal", "large", budget=2.0),
    Row("embedding.lookup", "pad_is_0", "lognormal", "large", budget=2.0),
    Row("embedding.lookup", "no_pad", "lognormal", "large", budget=2.0),
    Row("loss.cross_entropy", "mean", "lognormal", "small", budget=2.0, also=LOSS_COMPILED),
)
