"""Define statistics of each sequence over its real steps, and normalisation by them."""

from __future__ import annotations

from parity.operations.row import FEW_AND_MANY, OF_ALL_SIZES, Configuration, Input, Operation

X = Input("BTH", equal="T")  # a feature that does not change in one sequence has a deviation of 0
SCALE_AND_SHIFT = {"gamma": Input("H"), "beta": Input("H")}
SPECIAL = (*OF_ALL_SIZES, "ascending", "long")

FAR = Input("BTH", equal="T", offset=100.0)  # where squares of values, less that of the mean, lose all digits


def _moments(name: str, x: Input, **options: float) -> Configuration:
    outputs = dict.fromkeys(("mean", "variance", "deviation"), "BH")
    return Configuration(name, {"x": x}, outputs, options, extra_lengths=FEW_AND_MANY)


POPULATION = _moments("population", FAR, correction=0, eps=1e-5)
SAMPLE = _moments("sample", FAR, correction=1, eps=1e-3)
UTTERANCE = Configuration("mean_and_variance", {"x": X}, {"y": "BTH"}, {"divide": True, "eps": 1e-2})
INSTANCES = Configuration("eps_of_keras", {"x": X} | SCALE_AND_SHIFT, {"y": "BTH"}, {"eps": 1e-3})

ROWS = (
    Operation(
        "statistics.moments",
        configurations=(POPULATION, SAMPLE, SAMPLE.with_options("tiny_eps", *SPECIAL, eps=1e-12)),
        variants={"pytorch": ("masked_sum",), "tensorflow": ("weighted_moments", "masked_sum")},
    ),
    Operation(
        "statistics.normalised_utterance",
        configurations=(
            UTTERANCE,
            UTTERANCE.with_options("mean_only", divide=False),
            UTTERANCE.with_options("tiny_eps", *SPECIAL, eps=1e-12),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
    Operation(
        "statistics.instance_norm",
        configurations=(
            INSTANCES,
            INSTANCES.with_options("eps_of_torch", eps=1e-5),
            INSTANCES.with_options("tiny_eps", *SPECIAL, eps=1e-12),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
    ),
)
