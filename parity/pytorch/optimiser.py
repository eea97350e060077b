"""Train a model in PyTorch with the optimisers of `torch.optim`.

PyTorch computes Adam as in its paper. Two things need care:

- The gradient of the pad row of an embedding is zero, but `torch.optim.AdamW` decays every row
  (https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html). A pad row that starts at zero stays zero; any
  other must be restored.
- `torch.nn.utils.clip_grad_norm_` adds 1e-6 to the norm
  (https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html), so it clips a little more than
  the paper and TensorFlow.
"""

import torch

from parity.pytorch import runtime


def sgd(parameters, pad_rows, *, learning_rate, momentum=0.0):
    """Build `torch.optim.SGD`, with or without momentum.

    Args:
        parameters: by name.
        pad_rows: the padding row of each embedding table, by name.
    """
    return torch.optim.SGD(parameters.values(), lr=learning_rate, momentum=momentum)


def adam(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon):
    """Build `torch.optim.Adam`."""
    return torch.optim.Adam(parameters.values(), lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def adamw(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    """Build `torch.optim.AdamW`, with a hook that restores the pad row after each step."""
    optimiser = torch.optim.AdamW(
        parameters.values(), lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon, weight_decay=weight_decay
    )
    kept = [(parameters[name], row, parameters[name][row].detach().clone()) for name, row in pad_rows.items()]

    @torch.no_grad()
    def put_back(*_):
        for table, row, values in kept:
            table[row] = values

    optimiser.register_step_post_hook(put_back)
    return optimiser


OPTIMISERS = {"sgd": sgd, "adam": adam, "adamw": adamw}


def clip(gradients, limit):
    """Scale all gradients in place, if their common norm is above a limit."""
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    for gradient in gradients:
        gradient.mul_(limit / norm.clamp(min=limit))


class Trainer:
    """A model in training.

    Args:
        call: function from inputs and weights by name to outputs by name, including ``loss``.
        weights: initial arrays by name.
        build: function from parameters by name to an optimiser.
        axes: axes of inputs and outputs by name; not needed here.
        clip_norm: what the norm of all gradients together is clipped to; None does not clip.
    """

    def __init__(self, call, weights, build, axes, clip_norm=None):
        self.call, self.clip_norm = call, clip_norm
        self.parameters = {name: torch.nn.Parameter(tensor) for name, tensor in runtime.tensors(weights).items()}
        self.optimiser = build(self.parameters)

    def step(self, batch):
        """Train on one batch and return its loss before the update."""
        self.optimiser.zero_grad()
        loss = runtime.only_tensors(self.call({**runtime.tensors(batch), **self.parameters}))["loss"]
        loss.backward()
        if self.clip_norm is not None:
            clip([parameter.grad for parameter in self.parameters.values()], self.clip_norm)
        self.optimiser.step()
        return loss.item()

    @torch.no_grad()
    def predict(self, batch):
        """Return the outputs as arrays."""
        return runtime.plain(self.call({**runtime.tensors(batch), **self.parameters}))

    def weights(self):
        """Return the weights as arrays, valid until the next step."""
        return runtime.plain(self.parameters)
