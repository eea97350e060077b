"""Define the terms of a page, where a reader meets them."""

from __future__ import annotations

GLOSSARY = {
    "operation": "one thing that every framework computes, such as rnn.lstm",
    "variant": "one way to compute an operation in a framework, such as pytorch.packed",
    "contract": "a promise about padding; a check changes the input and asserts how outputs and gradients must change",
    "case": "the arrays of one call: a configuration, lengths, a dtype and a seed",
    "cell": "one variant and one contract: all configurations, lengths, modes and dtypes together",
    "noise floor": "how far a right answer may move because its inputs are rounded to the dtype under test",
    "score": "an error in noise floors; a good implementation scores about 1",
}
