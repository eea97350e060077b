"""Training: from the same weights, on the same batches, with the same optimiser, do the frameworks end up the same?

Each model of the operations table is trained in each framework for some steps, in float32: losses, every weight after
every step and what the trained model predicts must be those of the reference, within its noise floor; see
`parity.training.envelope` for what that is when a whole training run lies between input and output.

>>> from parity import training
>>> [model.partition(".")[2] for model in training.MODELS], list(training.OPTIMISERS)
(['text_classifier', 'tagger', 'sentiment', 'vowel_speaker'], ['sgd', 'momentum', 'adam', 'adamw'])
"""

from __future__ import annotations

from parity.training.curve import Curve, curves
from parity.training.envelope import Envelope, envelope
from parity.training.runs import train
from parity.training.setup import MODELS, OPTIMISERS, STEPS, Trajectory
from parity.training.verdict import Training, check_training, growth, plan

__all__ = [
    "MODELS",
    "OPTIMISERS",
    "STEPS",
    "Curve",
    "Envelope",
    "Training",
    "Trajectory",
    "check_training",
    "curves",
    "envelope",
    "growth",
    "plan",
    "train",
]
