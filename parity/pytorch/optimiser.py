"""Training in PyTorch: the optimisers as they come, and one step with them.

PyTorch computes Adam as its paper has it. The one thing to see to is the pad row of an embedding: its gradient is
zero, but `torch.optim.AdamW` shrinks every row (https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html).
A pad row that is zero from the start stays zero; any other must be put back.
"""

import torch

from parity.pytorch import runtime


def sgd(parameters, pad_rows, *, learning_rate, momentum=0.0):
    """`torch.optim.SGD`, with or without momentum.

    Args:
        parameters: by name.
        pad_rows: the name of each embedding table, and its row that stands for padding.
    """
    return torch.optim.SGD(parameters.values(), lr=learning_rate, momentum=momentum)


def adam(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon):
    """`torch.optim.Adam`."""
    return torch.optim.Adam(parameters.values(), lr=learning_rate, betas=(beta_1, beta_2), eps=epsilon)


def adamw(parameters, pad_rows, *, learning_rate, beta_1, beta_2, epsilon, weight_decay):
    """`torch.optim.AdamW`, which puts the pad row back after each step."""
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


class Trainer:
    """A model in training.

    Args:
        call: from inputs and weights by name to outputs by name, ``loss`` among them.
        weights: arrays by name, from which it starts.
        build: from parameters by name to an optimiser.
        axes: of inputs and outputs by name; not needed here.
    """

    def __init__(self, call, weights, build, axes):
        self.call = call
        self.parameters = {name: torch.nn.Parameter(tensor) for name, tensor in runtime.tensors(weights).items()}
        self.optimiser = build(self.parameters)

    def step(self, batch):
        """Learn from one batch; its loss before that."""
        self.optimiser.zero_grad()
        loss = self.call({**runtime.tensors(batch), **self.parameters})["loss"]
        loss.backward()
        self.optimiser.step()
        return loss.item()

    @torch.no_grad()
    def predict(self, batch):
        """The outputs as arrays."""
        return runtime.plain(self.call({**runtime.tensors(batch), **self.parameters}))

    def weights(self):
        """The weights as arrays, for as long as nothing is learned."""
        return runtime.plain(self.parameters)
