"""Train models from the same weights on the same batches in each framework, and compare every step.

Each model of the operations table is trained in each framework for some steps, in float32: losses, every weight after
every step and what the trained model predicts must be those of the reference, within its noise floor; see
`parity.training.floors` for what that is when a whole training run lies between input and output.

>>> from parity import training
>>> [model.partition(".")[2] for model in training.MODELS], list(training.OPTIMISERS)
(['text_classifier', 'tagger', 'sentiment', 'vowel_speaker'], ['sgd', 'momentum', 'adam', 'adamw', 'clipped'])
"""

from __future__ import annotations

from parity.training.curve import Curve as Curve
from parity.training.curve import CurveTask as CurveTask
from parity.training.curve import TrainingRun as TrainingRun
from parity.training.curve import growth as growth
from parity.training.curve import plan_curves as plan_curves
from parity.training.floors import envelope as envelope
from parity.training.runs import train as train
from parity.training.setup import MODELS as MODELS
from parity.training.setup import OPTIMISERS as OPTIMISERS
from parity.training.setup import STEPS as STEPS
from parity.training.verdict import Training as Training
from parity.training.verdict import assert_training as assert_training
from parity.training.verdict import check_training as check_training
from parity.training.verdict import plan as plan
