"""Compute losses over labels whose alignment with the steps is unknown, in PyTorch.

`torch.nn.functional.ctc_loss` takes log-probabilities, with time first
(https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html). Its gradient is correct only behind
a log-softmax: it is already the gradient of the logits.
"""

import torch

from parity.pytorch import runtime


def ctc(logits, targets, target_lengths, lengths, *, blank=0, variant="ctc_loss"):
    """Compute the CTC loss: ``-log`` of the probability that the steps spell the labels.

    Args:
        blank: the class of the blank; -1 is the last, which `torch.nn.functional.ctc_loss` refuses.

    Returns:
        loss: (B,). For a sequence too short for its labels, loss and gradient are set to 0 instead of inf and NaN.

    >>> labels, one, two = torch.tensor([[1, 1]]), torch.tensor([1]), torch.tensor([2])
    >>> ctc(torch.zeros(1, 3, 2), labels, one, two)["loss"].neg().exp()  # 1 1, 0 1 and 1 0 of four
    tensor([0.7500])
    """
    if not len(logits):
        return {"loss": logits.sum((1, 2))}  # ctc_loss rejects an empty batch
    real = runtime.valid(lengths, logits.shape[1])
    log_p = runtime.only_real(real, logits).log_softmax(2).transpose(0, 1)  # (T, B, C)
    return {
        "loss": torch.nn.functional.ctc_loss(
            log_p, targets, lengths, target_lengths, blank % logits.shape[2], reduction="none", zero_infinity=True
        )
    }
