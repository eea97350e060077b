"""The place in a model where a difference begins, and the masks of its layers."""

from __future__ import annotations

from msgspec import Struct

from parity.checks.batch_errors import BatchErrors


class Blame(Struct, frozen=True):
    """The place where a difference begins.

    Attributes:
        layer: the first layer that differs, in the order of calls; empty if none does.
        kind: its class.
        where: "in" the layer, "before" it, in code between layers, "after" the last one, or in "gradients" only.
        equal: the last layer before it that does not differ; empty if there is none.
        sequence, step: the first place; the step is -1 where there are no steps.
        length: of that sequence.
        mask: in Keras, the last layer that passed on a mask, if none reaches this layer.
        errors: of what differs first, for each sequence and step.
    """

    layer: str
    kind: str
    where: str
    equal: str
    sequence: int
    step: int
    length: int
    mask: str = ""
    errors: BatchErrors | None = None

    def __str__(self) -> str:
        """Return it in words.

        >>> print(Blame("encoder.conv", "Conv1d", "in", "embed", 2, 3, 4))
        first in `encoder.conv` (Conv1d), at step 3 of sequence 2, its last real step
        """
        step = f", at step {self.step} of sequence {self.sequence}" if self.step >= 0 else ""
        if self.step >= 0 and self.step == self.length - 1:
            step += ", its last real step"
        step += f"; the mask of `{self.mask}` does not reach it" if self.mask else ""
        if self.where == "in":
            return f"first in `{self.layer}` ({self.kind}){step}"
        if self.where == "before":
            after = f"after `{self.equal}` and " if self.equal else ""
            return f"first in code {after}before `{self.layer}` ({self.kind}){step}"
        if self.where == "gradients":
            return f"in gradients only, first in that of `{self.layer}`"
        return f"first in code after `{self.equal}`, the last layer"


class LayerMask(Struct, frozen=True):
    """The masks that a layer of Keras received and passed on, if any."""

    layer: str
    kind: str
    received: bool
    passed_on: bool
