"""Choose the fastest of several exact ways to run a layer, by timing each once for every size.

Which one is fastest depends on the machine, the sizes and the share of padding, and a prediction from three
coefficients (`parity.throughput.advice`) is off by 10 to 30 %. So the first call of a size runs all of them on copies
of its arguments, as `torch.backends.cudnn.benchmark` does with the algorithms of a convolution
(https://docs.pytorch.org/docs/stable/backends.html#torch.backends.cudnn.torch.backends.cudnn.benchmark); later calls
run the fastest. Batches whose rows, steps and real steps differ by less than a tenth may count as one size.
"""

import math
import time

import torch

ROUNDS = 7
CLOSE = 1.3  # one that takes as many times the fastest in the first round is not timed again
WORTH_TIMING = 10**6  # products of the padded layer; with fewer, what a call costs in any case takes longest
A_TENTH = 0.1  # in the logarithm: to this, sizes are rounded

chosen = {}  # size -> the way


def fastest(ways, kind, x, lengths, weights, initial, **options):
    """Return the fastest of some functions for arguments of this size, or the first where nothing is worth timing.

    Args:
        ways: functions of the other arguments, with one result: the outputs, and a list of final states.
    """
    if size_of(x, weights) < WORTH_TIMING:
        return ways[0]
    learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (x, *parameters(weights), *initial))
    about = (round(math.log(max(1, n)) / A_TENTH) for n in (*x.shape[:2], int(lengths.sum())))
    widths = (tensor.shape for tensor in parameters(weights))
    where = x.dtype, x.device, torch.get_num_threads()
    key = (ways, kind, *about, *widths, *sorted(options.items()), *where, learns)
    if key not in chosen:
        chosen[key] = timed(ways, learns, kind, x, lengths, weights, initial, options)
    return chosen[key]


def size_of(x, weights):
    """Return the number of products of a padded layer: B T (D + H) G H for each."""
    return x.shape[0] * x.shape[1] * sum(tensor.numel() for tensor in parameters(weights))


def parameters(weights):
    return [tensor for named in weights for tensor in named.values()]


def timed(ways, learns, kind, x, lengths, weights, initial, options):
    """Return the function that takes the least time, in turns with the others, after one call that is not counted."""
    arguments = copied(x), lengths, [{name: copied(w) for name, w in named.items()} for named in weights]
    states = [copied(state) for state in initial]

    def call(way):
        started = time.perf_counter()
        y, final = way(kind, *arguments, states, **options)
        if learns:
            results = [result for result in (y, *final) if result.requires_grad]
            torch.autograd.backward(results, [torch.ones_like(result) for result in results])
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        return time.perf_counter() - started

    for way in ways:
        call(way)
    first = {way: call(way) for way in ways}
    close = [way for way in ways if first[way] <= CLOSE * min(first.values())]
    times = {way: [first[way]] for way in close}
    for _ in range(ROUNDS if len(close) > 1 else 0):
        for way in close:
            times[way].append(call(way))
    return min(close, key=lambda way: min(times[way]))


def copied(tensor):
    return tensor.detach().requires_grad_(tensor.requires_grad)
