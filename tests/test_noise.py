"""Check the noise floor and the reference that it derives from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parity import OPERATIONS, Case, frameworks, noise_floor, observe, sample_case
from parity.arrays import Array, is_float
from parity.caching import clear_caches
from parity.checks.check import Check
from parity.checks.noise import LARGEST_ELEMENT, LARGEST_NORM, second_floor
from parity.checks.result import PASSED
from parity.operations import find

CONFIGURATIONS = [
    (name, config.name) for name, row in OPERATIONS.items() for config in row.configurations if not config.data
]
NOT_DERIVATIVES = {  # gradients that are not, by definition, the derivatives of what is computed
    *(
        (f"embedding.{name}", one.name)
        for name in ("scaled_by_frequency", "max_norm")
        for one in find(f"embedding.{name}").configurations
    ),
    # Cut between chunks.
    *(("cells.truncated_lstm", name) for name in ("chunks_of_two", "single_steps", "from_h0", "from_c0")),
}
TWICE = [
    (operation, config)
    for operation, config in CONFIGURATIONS
    if (operation, config) not in NOT_DERIVATIVES
    and not find(operation).configuration(config).first_derivatives_only
    and config != "tiny_eps"  # beside equal features it bends within any step
]


STEP = 1e-6


def moved_both_ways(case: Case, directions: list[dict[str, Array]]) -> dict[str, Array]:
    """Run the reference on copies of a case, (2N …): its inputs moved along each of N directions, and against it."""
    copies = [
        {name: case.arrays[name] + sign * STEP * along for name, along in direction.items()}
        for direction in directions
        for sign in (1, -1)
    ]
    arrays = {
        name: np.stack([copy.get(name, array) for copy in copies]) if is_float(array.dtype) else array
        for name, array in case.arrays.items()
    }
    cotangents = {name: np.stack([array] * len(copies)) for name, array in case.cotangents.items()}
    return frameworks.run_reference(case, arrays, cotangents, np.zeros_like)


def like_padding(case: Case, name: str) -> Array:
    """Return where an input has a value that looks like padding, with its offset or without."""
    offset = case.configuration.inputs[name].offset
    return np.isin(case.arrays[name], (0.0, offset, -offset))


@pytest.mark.parametrize(("operation", "config"), CONFIGURATIONS)
def test_the_reference_differentiates_what_it_computes(operation: str, config: str) -> None:
    """Compare every gradient with central differences, a second oracle."""
    if (operation, config) in NOT_DERIVATIVES:
        pytest.skip("its gradient is by definition not the derivative of its output")
    case = sample_case(operation, config, "ragged", "float64", 0)
    gradient = observe(case, "reference").quantities
    rng, directions = np.random.default_rng(0), dict[str, Array]()
    for name in (name for name in case.arrays if f"d_{name}" in case.axes):
        spec = case.configuration.inputs[name]
        if spec.buffer:
            assert not gradient[f"d_{name}"].any()
            continue
        directions[name] = rng.normal(size=case.arrays[name].shape)
        directions[name][like_padding(case, name)] = 0  # what looks so must stay so, or the output jumps
        if spec.equal:  # so must equal values, beside which a tiny epsilon bends all within a step
            directions[name][np.isin(case.arrays[name], spec.equal_to)] = 0
    if not directions:
        pytest.skip("it has no gradient")
    moved = moved_both_ways(case, [{name: direction} for name, direction in directions.items()])
    smooth = [out for out in case.cotangents if out not in case.arrays]  # a running statistic has no gradient
    ends = sum((moved[out] * case.cotangents[out]).reshape(2 * len(directions), -1).sum(1) for out in smooth)
    for (name, direction), against, along in zip(directions.items(), ends[1::2], ends[::2], strict=True):
        expected = (along - against) / (2 * STEP)
        rounding = 1e-15 * case.configuration.inputs[name].offset / STEP  # of inputs that are far from 0
        assert (gradient[f"d_{name}"] * direction).sum() == pytest.approx(expected, rel=1e-6, abs=max(1e-8, rounding))


@pytest.mark.parametrize(("operation", "config"), TWICE)
def test_the_reference_differentiates_its_gradients(operation: str, config: str) -> None:
    """Compare products with the Hessian with central differences of the gradients along the same directions."""
    case = sample_case(operation, config, "ragged", "float64", 0)
    directions, _ = second_floor(case)
    for name, direction in directions.items():
        direction[like_padding(case, name) | case.configuration.inputs[name].buffer] = 0  # as above
    found = frameworks.run_reference_second(case, case.arrays, case.cotangents, directions, np.zeros_like)
    moved = moved_both_ways(case, [directions])
    for name in directions:
        expected = (moved[f"d_{name}"][0] - moved[f"d_{name}"][1]) / (2 * STEP)
        size = np.linalg.norm(found[f"dd_{name}"]) + 1e-3
        assert np.linalg.norm(found[f"dd_{name}"] - expected) <= 1e-5 * size, name


@pytest.mark.parametrize(("operation", "config"), CONFIGURATIONS)
def test_padding_has_a_floor_of_exactly_zero(operation: str, config: str) -> None:
    case = sample_case(operation, config, "ragged", "float32", 0)
    floor = noise_floor(case)
    for name, axes in case.axes.items():
        if axes.startswith("BT"):
            assert (floor.floor[name][~case.mask] == 0).all()
            assert (floor.expected[name][~case.mask] == 0).all()


def test_the_floor_grows_with_the_roundoff() -> None:
    single, double = (
        noise_floor(sample_case("rnn.gru", "one_layer", "ragged", dtype, 0)) for dtype in ("float32", "float64")
    )
    ratio = np.linalg.norm(single.floor["d_w_in.0"]) / np.linalg.norm(double.floor["d_w_in.0"])
    assert 2**27 < ratio < 2**31


def test_rounding_to_float32_stays_near_the_floor(pytorch: str) -> None:
    """Check that a good implementation scores about one, and that a narrower dtype fails."""
    case = sample_case("rnn.lstm", "one_layer", "ragged", "float32", 3)
    floor = noise_floor(case)
    error = observe(case, pytorch)["y"] - floor.expected["y"]
    moving = floor.floor["y"] > 0
    score = np.linalg.norm(error[moving]) / np.linalg.norm(floor.floor["y"][moving])
    assert 0.05 < score < LARGEST_NORM
    half = floor.expected["y"].astype(np.float16) - floor.expected["y"]
    assert np.max(np.abs(half[moving]) / floor.floor["y"][moving]) > LARGEST_ELEMENT


def test_the_reference_is_the_same_with_and_without_copies() -> None:
    case = sample_case("bidirectional.gru", "two_layers_from_state", "ragged", "float64", 0)
    alone, floor = observe(case, "reference"), noise_floor(case)
    for name, array in alone.quantities.items():
        np.testing.assert_allclose(floor.expected[name], array, rtol=1e-13, atol=1e-15)


def test_a_sparse_gradient_is_sparse_and_densifies_to_the_same(framework: str) -> None:
    case = sample_case("embedding.lookup", "pad_is_0", "ragged", "float32", 0)
    sparse = {"pytorch": "sparse", "tensorflow": "indexed_slices"}[framework]
    observed = observe(case, framework, sparse)
    assert observed.provenance["sparse_gradients"] == "table"
    np.testing.assert_allclose(observed["d_table"], noise_floor(case).expected["d_table"], rtol=1e-5, atol=1e-6)


def test_relu_has_slope_0_at_0_in_every_framework(framework: str) -> None:
    """Use inputs of exactly zero, which a zero-initialised layer has."""
    sampled = sample_case("rnn.rnn", "relu_two_layers_from_state", "ragged", "float32", 0)
    at_zero = {
        name: array * 0 if name in ("x", "h0", "bias.0", "bias.1") else array for name, array in sampled.arrays.items()
    }
    case = Case(sampled.operation, sampled.config, sampled.lengths, at_zero, sampled.cotangents)
    assert not observe(case, "reference")["d_bias.0"].any()
    assert not observe(case, framework)["d_bias.0"].any()


@pytest.mark.parametrize(
    ("lengths", "seed"), [("4,4,1,1:5x15", 855), ("2,2:4x21", 211), ("6,8,5,3,7,0:8x18~1000", 456)]
)
def test_a_saturated_network_has_the_noise_of_what_it_keeps(lengths: str, seed: int, framework: str) -> None:
    """Check GRUs whose update gate rounds to 1.

    A sweep found up to 700 noise floors there while the copies kept that gate exact.
    """
    variant = find("rnn.gru").variants[framework][0]
    check = Check("rnn.gru", framework, variant, "float32", "matches_reference", seed, full=True)
    (result,) = replace(check, config="two_layers_from_state", lengths=lengths, mode="eager").run()
    assert result.status == PASSED
    assert result.score is not None
    assert result.score < 10


def test_what_underflows_may_be_0(framework: str) -> None:
    """Here an input gate is the sigmoid of -102, which is 0 in float32, and all that follows from it."""
    case = sample_case("rnn.lstm", "one_layer", "narrow", "float32", 12)
    assert 0 < np.abs(noise_floor(case).expected["y"]).max() < np.finfo(np.float32).tiny
    variant = OPERATIONS["rnn.lstm"].variants[framework][0]
    check = Check("rnn.lstm", framework, variant, "float32", "matches_reference", seed=12)
    results = replace(check, config="one_layer", lengths="narrow", mode="eager").run()
    assert {result.status for result in results} == {PASSED}


def test_a_reference_that_gives_nan_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise, because a framework that gives NaN too would pass."""
    from parity.reference import pooling

    case = sample_case("pooling.mean", "features", "2,1:3", "float32", seed=5)
    monkeypatch.setattr(pooling, "mean", lambda x, lengths: {"y": pooling.sum(x, lengths)["y"] * np.nan})
    clear_caches()
    try:
        with pytest.raises(FloatingPointError, match=r"gives NaN for y: pooling\.mean, features/2,1:3"):
            noise_floor(case)
    finally:
        clear_caches()
