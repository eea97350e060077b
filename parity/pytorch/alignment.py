"""Losses of sequences whose labels are known, and not which step says which of them, in PyTorch.

`torch.nn.functional.ctc_loss` takes log-probabilities, time first
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html). Its gradient is right only where
they come out of a log-softmax: it is already that of the logits.
"""

import torch

from parity.pytorch import runtime


def ctc(logits, targets, target_lengths, lengths, *, variant="ctc_loss"):
    """Connectionist temporal classification: ``-log`` of the probability that the steps spell the labels. Blank is 0.

    Returns:
        loss: (B,), 0 without a gradient where so few steps cannot spell the labels; else it would be inf, and that NaN.

    >>> labels, one, two = torch.tensor([[1, 1]]), torch.tensor([1]), torch.tensor([2])
    >>> ctc(torch.zeros(1, 3, 2), labels, one, two)["loss"].neg().exp()  # 1 1, 0 1 and 1 0 of four
    tensor([0.7500])
    """
    if not len(logits):
        return {"loss": logits.sum((1, 2))}  # it refuses a batch without a sequence
    real = runtime.valid(lengths, logits.shape[1])
    log_p = runtime.only_real(real, logits).log_softmax(2).transpose(0, 1)  # (T, B, C)
    return {
        "loss": torch.nn.functional.ctc_loss(
            log_p, targets, lengths, target_lengths, reduction="none", zero_infinity=True
        )
    }
