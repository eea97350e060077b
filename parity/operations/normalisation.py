"""Define normalisation over the features of each step, and over the real steps of a batch.

In every case some real values are equal: there a deviation is 0, and the gradient of its root is not finite.
"""

from __future__ import annotations

from parity.operations.row import OF_ALL_SIZES, Configuration, ExpectedFailure, Input, Operation

SCALE_AND_SHIFT = {"gamma": Input("H"), "beta": Input("H")}

BATCH_NORM = {
    "x": Input("BTH", equal="BT"),
    **SCALE_AND_SHIFT,
    "running_mean": Input("H", buffer=True),
    "running_variance": Input("H", unit=True, buffer=True),
}
RUNNING = ("running_mean", "running_variance")
STATISTICS = "mean and variance are those of every real step of the batch"


def _layer_norm(name: str, eps: float, offset: float) -> Configuration:
    """Return a configuration whose features may be far from 0, where their deviations lose digits.

    The gradient of gamma adds up all steps, so that one such step hides what is wrong in the others' deviations. So a
    configuration without an offset stands beside: in float32 it shows relative errors of 3e-6, the other one of 7e-5.
    """
    return Configuration(
        name,
        {"x": Input("BTH", offset=offset, equal="H")} | SCALE_AND_SHIFT,
        outputs={"y": "BTH"},
        options={"eps": eps},
        least={"H": 6},  # of one feature, or of two, all of the gradient cancels but the roundoff of their mean
    )


def _without_mean(name: str, eps: float, **inputs: Input) -> Configuration:
    """Return a configuration without a mean: of all equal features, only zeros are special."""
    x = {"x": Input("BTH", equal="H", equal_to=(0.0,))}
    return Configuration(name, x | inputs, outputs={"y": "BTH"}, options={"eps": eps})


LAYER_NORM = _layer_norm("eps_of_torch", 1e-5, offset=100.0)
TRAINING = Configuration(
    "training",
    BATCH_NORM,
    outputs={"y": "BTH"} | dict.fromkeys(RUNNING, "H"),
    # eps is large: with two real steps, all of the gradient cancels but a share of eps / (variance + eps)
    options={"training": True, "momentum": 0.1, "eps": 0.1, "updates": 3},
    initial={name: name for name in RUNNING},
    coupling=STATISTICS,
    extra_lengths=("one_step",),
)


INFERENCE = Configuration("inference", BATCH_NORM, outputs={"y": "BTH"}, options={"training": False, "eps": 1e-3})
RMS_NORM = _without_mean("eps_of_llama", 1e-5, gamma=Input("H"))
UNIT_NORM = _without_mean("large_eps", 1e-2)


def _moments_once(variant: str, case: str) -> ExpectedFailure:
    why = "tf.nn.moments takes deviations from tf.stop_gradient(mean): right once, and wrong in second derivatives"
    return ExpectedFailure(variant, case, "", why, contract="second_derivatives", quantity="dd_x")


ROWS = (
    Operation(
        "normalisation.layer_norm",
        configurations=(
            LAYER_NORM,
            _layer_norm("eps_of_keras", 1e-3, offset=0.0),
            LAYER_NORM.with_options("tiny_eps", *OF_ALL_SIZES, "wide", eps=1e-12),
        ),
        variants={"pytorch": ("masked",), "tensorflow": ("masked",)},
        expected_failures=(_moments_once("tensorflow.masked", "*"),),
    ),
    Operation(
        "normalisation.batch_norm",
        configurations=(
            TRAINING,
            INFERENCE,
            INFERENCE.with_options("inference_eps_of_torch", *OF_ALL_SIZES, eps=1e-5),
            TRAINING.with_options("one_update", *OF_ALL_SIZES, "descending", momentum=0.7, eps=0.02, updates=1),
        ),
        variants={"pytorch": ("flattened",), "tensorflow": ("flattened",)},
        expected_failures=(
            *(_moments_once("tensorflow.flattened", f"{name}/*") for name in ("training", "one_update")),
        ),
    ),
    Operation(
        "normalisation.rms_norm",
        configurations=(
            RMS_NORM,
            RMS_NORM.with_options("large_eps", eps=1e-1),
            RMS_NORM.with_options("tiny_eps", *OF_ALL_SIZES, "wide", eps=1e-12),
        ),
        variants={"pytorch": ("layer", "rsqrt"), "tensorflow": ("layer",)},
    ),
    Operation(
        "normalisation.unit_norm",
        configurations=(UNIT_NORM, UNIT_NORM.with_options("tiny_eps", *OF_ALL_SIZES, "descending", eps=1e-12)),
        variants={"pytorch": ("normalize",), "tensorflow": ("l2_normalize",)},
        expected_failures=(
            ExpectedFailure(
                "pytorch.normalize",
                "*",
                "",
                "the gradient of torch.norm is set to 0 at 0, and not that of its gradient, which is 0 / 0",
                contract="second_derivatives",
                quantity="dd_x",
            ),
        ),
    ),
)
