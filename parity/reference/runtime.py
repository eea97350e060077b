"""What every function of the reference needs: cut sequences out, put results back, differentiate."""

import warnings
from contextvars import ContextVar

import autograd.numpy as np
from autograd import make_vjp
from autograd.builtins import dict as traced_dict
from autograd.extend import defvjp, primitive

VERSION = f"numpy {np.__version__}"


def sequences(x, lengths):  # (..., B, T, D) -> B arrays (..., length, D)
    """Each sequence alone, its padding cut off."""
    return [x[..., row, :length, :] for row, length in enumerate(lengths)]


def stack(rows, axis, empty):
    """Stack along a negative axis; ``empty`` is the result when there are no rows."""
    return np.stack(rows, axis) if len(rows) else np.zeros(empty)


def padded(rows, like):  # B arrays (..., length, K), like (..., B, T, D) -> (..., B, T, K)
    """Results of the sequences side by side, zero beyond each length."""
    steps = like.shape[-2]
    full = [
        np.concatenate([row, np.zeros((*row.shape[:-2], steps - row.shape[-2], row.shape[-1]))], -2) for row in rows
    ]
    return stack(full, -3, (*like.shape[:-3], 0, steps, like.shape[-1]))


def relu(a):
    return np.where(a > 0, a, 0)  # slope 0 at 0, as everywhere; np.maximum would share it out


# A framework rounds an activation y and keeps that; slopes, y (1 - y) or 1 - y², and a GRU's 1 - z come from what it
# kept, and where y is nearly 1 they are lost. So the copies of the noise floor keep y off by a roundoff, and their
# slopes follow. Where nothing says how far off, slopes are exact.
OFF = ContextVar("from activations to how far off they are kept", default=np.zeros_like)


@primitive
def sigmoid(a):
    y = _sigmoid(a)
    return y + OFF.get()(y)


@primitive
def tanh(a):
    y = np.tanh(a)
    return y + OFF.get()(y)


def _sigmoid(a):
    """``1 / (1 + exp(-a))``, to full precision however small: by way of tanh it would be exactly 0 below -37."""
    return np.exp(-np.logaddexp(0, -a))


def _sigmoid_slope(y, a):
    """``y (1 - y)``: the exact slope, and what being off adds to it."""
    exact = _sigmoid(a)
    return exact * _sigmoid(-a) + (1 - 2 * y) * (y - exact)


def _tanh_slope(y, a):
    """``1 - y²``, in the same way."""
    return 4 * _sigmoid(2 * a) * _sigmoid(-2 * a) - 2 * y * (y - np.tanh(a))


defvjp(sigmoid, lambda y, a: lambda d: d * _sigmoid_slope(y, a))
defvjp(tanh, lambda y, a: lambda d: d * _tanh_slope(y, a))


@primitive
def softmax(scores, axis):
    """Weights that sum to 1 along an axis; none where nothing is there."""
    if not scores.shape[axis]:
        return scores
    e = np.exp(scores - np.max(scores, axis, keepdims=True))
    y = e / np.sum(e, axis, keepdims=True)
    return y + OFF.get()(y)


defvjp(softmax, lambda y, scores, axis: lambda d: y * (d - np.sum(y * d, axis, keepdims=True)), argnums=(0,))


def run(call, arrays, cotangents, *, mode="eager", axes=None, device="cpu", off=np.zeros_like):
    """Outputs and gradients of ``call``, in float64, and no sparse ones.

    Floats may carry a leading axis of copies; ``off`` says how far off the copies keep an activation.
    """
    integers = {name: array for name, array in arrays.items() if array.dtype.kind in "iu"}
    floats = {name: array.astype(np.float64) for name, array in arrays.items() if name not in integers}

    def wanted(floats):
        outputs = call({**integers, **floats})
        return traced_dict({name: outputs[name] for name in cotangents})

    usual = OFF.set(off)
    try:
        with warnings.catch_warnings():  # autograd warns when no input reaches the outputs: a batch of empty sequences
            warnings.filterwarnings("ignore", "Output seems independent of input", UserWarning)
            differentiate, outputs = make_vjp(wanted)(floats)
            with np.errstate(invalid="ignore"):  # inf on padding times 0 is NaN, on its way to nowhere
                gradients = differentiate({name: array.astype(np.float64) for name, array in cotangents.items()})
    finally:
        OFF.reset(usual)
    return outputs, gradients, ()
