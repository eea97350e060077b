"""Cut sequences out, put their results back, and differentiate."""

import warnings
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

import autograd.numpy as np
import numpy
from autograd import grad, make_vjp
from autograd.builtins import dict as traced_dict
from autograd.extend import defvjp, defvjp_argnum, primitive
from autograd.tracer import getval

VERSION = f"numpy {np.__version__}"


def sequences(x, lengths, left=False):  # (..., B, T, D) -> B arrays (..., length, D)
    """Return each sequence alone, without its padding, which precedes it if ``left``."""
    starts = [x.shape[-2] - length if left else 0 for length in lengths]
    return [x[..., row, start : start + length, :] for row, (start, length) in enumerate(zip(starts, lengths))]


def items(ids, lengths, left=False):  # (B, T) -> B arrays (length,)
    """Return the ids of each sequence alone."""
    return [row[:, 0] for row in sequences(ids[..., None], lengths, left)]


def stack(rows, axis, empty):
    """Stack along a negative axis; without rows, return zeros of shape ``empty``."""
    return stacked(axis, *rows) if len(rows) else np.zeros(empty)


@primitive
def stacked(axis, *rows):
    """Stack along a negative axis; the time of autograd's own `stack` grows with the square of the number of rows."""
    return numpy.stack(rows, axis)


def _row_of_gradient(place, y, arguments, _):
    axis = arguments[0]  # the first argument; the rows are those behind it
    return lambda d: d[(..., place - 1, *(slice(None),) * (-axis - 1))]


defvjp_argnum(stacked, _row_of_gradient)


def padded(rows, like, left=False):  # B arrays (..., length, K), like (..., B, T, D) -> (..., B, T, K)
    """Stack the sequences' results, with zeros beyond each length, or before each sequence if ``left``."""
    steps, full = like.shape[-2], []
    for row in rows:
        zeros = np.zeros((*row.shape[:-2], steps - row.shape[-2], row.shape[-1]))
        full.append(np.concatenate([zeros, row] if left else [row, zeros], -2))
    return stack(full, -3, (*like.shape[:-3], 0, steps, like.shape[-1]))


def relu(a):
    return np.where(a <= 0, 0, a)  # slope 0 at 0, as in the frameworks; that of np.maximum is 1/2; NaN stays


# A framework stores an activation y rounded, and computes the slopes y (1 - y) and 1 - y², and a GRU's 1 - z, from it:
# where y is nearly 1, they lose all precision. So the perturbed copies of the noise floor store y with a roundoff
# error, and compute their slopes from that. OFF returns the error; by default it is 0, and slopes are exact.
OFF = ContextVar("from activations to how far off they are kept", default=np.zeros_like)


@primitive
def sigmoid(a):
    y = _sigmoid(a)
    return y + OFF.get()(y)


@primitive
def tanh(a):
    y = numpy.tanh(a)
    return y + OFF.get()(y)


def constant(value):
    """Return a value without gradient, of first and of second derivatives."""
    return getval(value)


@primitive
def stored(a):
    """Return a number that frameworks keep rounded and use again, such as a log-probability; its slope is 1."""
    return a + OFF.get()(a)


@primitive
def from_sums(a, size):
    """Return an array unchanged whose gradient frameworks compute from sums of that size, which they keep rounded."""
    return a


@primitive
def added(rows):  # (..., n, D) -> (..., D)
    """Return the sum of rows that frameworks add one by one, each time rounding what they have so far.

    Where the same few numbers are added again and again, these errors do not cancel.
    """
    return numpy.sum(rows, -2) + numpy.sum(OFF.get()(numpy.cumsum(rows, -2)), -2)


def repeated(a, count):
    """Return an array unchanged whose gradient is a sum of as many equal numbers, which frameworks add one by one.

    Of ``count`` numbers d, the partial sums are d, 2d, …: together, their roundoffs are ``sqrt(count / 3)`` times that
    of the sum.
    """
    return from_sums(a, np.sqrt(count / 3))


@primitive
def _sigmoid(a):
    """Return ``1 / (1 + exp(-a))`` to full precision; by tanh it is 0 below -37."""
    return numpy.exp(-numpy.logaddexp(0, -a))


def _sigmoid_slope(y, a):
    """Return ``y (1 - y)``: the exact slope, plus the effect of the error in y."""
    exact = _sigmoid(a)
    return exact * _sigmoid(-a) + (1 - 2 * y) * (y - exact)


def _tanh_slope(y, a):
    """Return ``1 - y²``, computed in the same way."""
    return 4 * _sigmoid(2 * a) * _sigmoid(-2 * a) - 2 * y * (y - np.tanh(a))


defvjp(stored, lambda y, a: lambda d: d)
defvjp(added, lambda y, rows: lambda d: np.repeat(d[..., None, :], rows.shape[-2], -2))
defvjp(from_sums, lambda y, a, size: lambda d: d + size * OFF.get()(getval(d)), argnums=(0,))
defvjp(_sigmoid, lambda y, a: lambda d: d * _sigmoid(a) * _sigmoid(-a))
defvjp(sigmoid, lambda y, a: lambda d: d * _sigmoid_slope(y, a))
defvjp(tanh, lambda y, a: lambda d: d * _tanh_slope(y, a))


@primitive
def softmax(scores, axis):
    """Return weights that sum to 1 along an axis; return an empty array unchanged."""
    if not scores.shape[axis]:
        return scores
    e = numpy.exp(scores - numpy.max(scores, axis, keepdims=True))
    y = e / numpy.sum(e, axis, keepdims=True)
    return y + OFF.get()(y)


defvjp(softmax, lambda y, scores, axis: lambda d: y * (d - np.sum(y * d, axis, keepdims=True)), argnums=(0,))


def settings(tf32=False):
    """Return a context in which NumPy neither warns nor raises: what overflows, or is NaN on padding, is compared."""
    return np.errstate(all="ignore")


PROCESS = {}  # settings that a run must leave as they are


@settings()
def run(
    call,
    arrays,
    cotangents,
    *,
    mode="eager",
    axes=None,
    device="cpu",
    tf32=False,
    watch=nullcontext,
    differentiates=True,
    off=np.zeros_like,
):
    """Return outputs and gradients of ``call`` in float64, and an empty tuple of sparse gradients.

    Floats may have a leading axis of copies; ``off`` returns the error of the activations that the copies store.
    """
    integers, floats = parted(arrays)
    with watch(), storing(off):
        differentiate, outputs = make_vjp(wanted(call, integers, cotangents))(floats)
        gradients = differentiate(float64(cotangents)) if differentiates else {}
    return outputs, gradients, ()


@settings()
def second(call, arrays, cotangents, directions, *, off=np.zeros_like):
    """Return the gradient of ``Σ gradient · direction``, of all float inputs, as `run` does."""
    integers, floats = parted(arrays)
    against, along = float64(cotangents), float64(directions)

    def along_directions(floats):
        differentiate, _ = make_vjp(wanted(call, integers, cotangents))(floats)
        gradients = differentiate(against)
        return sum(np.sum(gradients[name] * along[name]) for name in along)

    with storing(off):
        return grad(along_directions)(floats)


def parted(arrays):
    """Return integers, and floats in float64, by name."""
    integers = {name: array for name, array in arrays.items() if array.dtype.kind in "iu"}
    return integers, float64({name: array for name, array in arrays.items() if name not in integers})


def float64(arrays):
    return {name: array.astype(np.float64) for name, array in arrays.items()}


def wanted(call, integers, cotangents):
    """Return a function from floats to the outputs that have a cotangent."""

    def outputs_of(floats):
        outputs = call({**integers, **floats})
        return traced_dict({name: outputs[name] for name in cotangents})

    return outputs_of


@contextmanager
def storing(off):
    """Let stored activations be off; autograd warns where no input reaches the outputs, as in a batch without steps."""
    usual = OFF.set(off)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Output seems independent of input", UserWarning)
            yield
    finally:
        OFF.reset(usual)
