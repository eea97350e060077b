"""What every function of the reference needs: cut sequences out, put results back, differentiate."""

import warnings

import autograd.numpy as np
from autograd import make_vjp
from autograd.builtins import dict as traced_dict

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


def sigmoid(a):
    """``1 / (1 + exp(-a))``, to full precision however small: by way of tanh it would be exactly 0 below -37."""
    return np.exp(-np.logaddexp(0, -a))


def run(call, arrays, cotangents, *, mode="eager", axes=None):
    """Outputs and gradients of ``call``, in float64, and no sparse ones. Floats may carry a leading axis of copies."""
    integers = {name: array for name, array in arrays.items() if array.dtype.kind in "iu"}
    floats = {name: array.astype(np.float64) for name, array in arrays.items() if name not in integers}

    def wanted(floats):
        outputs = call({**integers, **floats})
        return traced_dict({name: outputs[name] for name in cotangents})

    with warnings.catch_warnings():  # autograd warns when no input reaches the outputs: a batch of empty sequences
        warnings.filterwarnings("ignore", "Output seems independent of input", UserWarning)
        differentiate, outputs = make_vjp(wanted)(floats)
        gradients = differentiate({name: array.astype(np.float64) for name, array in cotangents.items()})
    return outputs, gradients, ()
