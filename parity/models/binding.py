"""Match the arguments of a model with what a batch has, by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from parity.errors import InputError, shown

# What every batch has beside the inputs that a user describes, and the names that public models give it.
KNOWN: dict[str, tuple[str, ...]] = {
    "lengths": (
        *("length", "len", "lens", "seq_len", "seq_lens", "seq_lengths", "seqlens", "lengths_x", "valid_len"),
        *("input_lengths", "input_lens", "x_len", "x_lens", "x_lengths", "xlens", "ilens", "src_len", "src_lengths"),
        *("sequence_length", "sequence_lengths", "valid_lens", "text_lengths", "feature_lengths", "feat_lens"),
        "audio_lengths",
    ),
    "mask": (
        *("attention_mask", "attn_mask", "padding_mask", "pad_mask", "input_mask", "token_mask", "src_mask", "masks"),
        *("x_mask", "valid_mask", "sequence_mask", "real", "valid", "encoder_attention_mask"),
    ),
    "drop": (
        *("key_padding_mask", "src_key_padding_mask", "encoder_padding_mask", "tgt_key_padding_mask"),
        *("memory_key_padding_mask", "is_padding", "padded"),
    ),
    "bias": ("attention_bias", "attn_bias", "mask_bias"),
    "positions": ("position_ids", "pos_ids", "pos", "position", "token_positions", "input_pos"),
    "segments": ("segment_ids", "seq_idx", "document_ids", "doc_ids", "sequence_ids", "segment", "documents"),
    "block_mask": ("pair_mask", "document_mask", "block_diagonal_mask"),
    "boundaries": ("cu_seqlens", "cu_seq_lens", "cu_seqlens_q", "cu_seqlens_k", "cu_seq_lens_q", "cu_seq_lens_k"),
    "longest": ("max_seqlen", "max_seqlen_q", "max_seqlen_k", "max_length_q", "max_length_k", "max_seq_len"),
}
ALIKE: dict[str, tuple[str, ...]] = {
    "tokens": (
        *("input_ids", "ids", "token_ids", "x", "src", "input", "inputs", "text", "sequence", "sequences", "idx"),
        *("input_tokens", "words"),
    ),
    "features": (
        *("x", "input", "inputs", "src", "feats", "frames", "inputs_embeds", "input_values", "input_features"),
        *("sequence", "sequences", "features", "audio", "signal", "xs", "hidden_states", "embeddings"),
    ),
    "target": ("targets", "labels", "label", "y"),
    "targets": ("target", "labels", "label", "y"),
    "labels": ("target", "targets", "label", "y"),
}
OF_PADDING = {"lengths", "mask", "drop", "bias", "segments", "block_mask", "boundaries"}  # what tells where it is
OF_DOCUMENTS = {"segments", "positions", "block_mask", "boundaries"}  # what tells packed documents apart
TARGETS = ("target", "targets", "labels", "label")


@dataclass(frozen=True)
class Binding:
    """Names of the arguments of a model, and of what they receive.

    Attributes:
        arguments: name of an argument -> name in the batch.
        positional: how many of them, the first ones, have to be passed without their names.
    """

    arguments: Mapping[str, str]
    positional: int = 0

    def __str__(self) -> str:
        """Return what was guessed: the arguments that have another name in the batch."""
        return ", ".join(f"{argument}={name}" for argument, name in self.arguments.items() if argument != name)


def bind(function: Callable[..., object], names: Iterable[str], ignored: Iterable[str] = ()) -> Binding:
    """Match the arguments of a model with the arrays of a batch.

    Args:
        function: the model, or its method that is called.
        names: those of the inputs that the user described.
        ignored: arguments that receive nothing.

    Raises:
        InputError: an argument without a default that nothing is known for, or an input that no argument takes.

    >>> def forward(input_ids, attention_mask=None, use_cache=False): ...
    >>> print(bind(forward, ["tokens"]))
    input_ids=tokens, attention_mask=mask
    """
    names, left_out = list(names), set(ignored)
    parameters = [one for one in _parameters(function) if one.name not in left_out]
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if parameters and not named:
        raise InputError("call", f"a model that takes {', '.join(map(str, parameters))} only", _expected(names))
    required = [one.name for one in named if one.default is one.empty]
    found = _assign([one.name for one in named], names, required)
    rest = [name for name in names if name not in found.values()]
    if unused := [name for name in rest if name not in TARGETS]:
        taken = ", ".join(parameter.name for parameter in named) or "nothing"
        raise InputError("inputs", f"{shown(unused[0])}, which the model does not take", f"some of: {taken}")
    return Binding(found, sum(one.kind == one.POSITIONAL_ONLY for one in named))


def bind_names(arguments: Iterable[str], names: Iterable[str]) -> Binding:
    """Match the named inputs of a functional model with the arrays of a batch; see `bind`.

    >>> print(bind_names(["ids"], ["tokens"]))
    ids=tokens
    """
    arguments = list(arguments)
    return Binding(_assign(arguments, list(names), arguments))


def _assign(arguments: list[str], names: list[str], required: list[str]) -> dict[str, str]:
    """Return what each argument receives: by its name, and those that are required what is left, in their order."""
    found: dict[str, str] = {}
    for argument in arguments:
        if name := _match(argument, [name for name in names if name not in found.values()]):
            found[argument] = name
    rest = [name for name in names if name not in found.values()]
    for argument in required:
        if argument not in found and (name := _part_of(argument)):
            found[argument] = name
        if argument not in found:
            if not rest:
                raise InputError("call", f"an argument {argument!r} of the model", _expected(names))
            found[argument] = rest.pop(0)
    return {argument: found[argument] for argument in arguments if argument in found}


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise InputError("call", f"{shown(function)}, whose arguments are unknown", _expected(["tokens"])) from None


def _match(argument: str, names: list[str]) -> str:
    """Return what an argument receives, from the names of inputs and from what every batch has; or nothing."""
    if argument in names:
        return argument
    for name in names:
        if argument in ALIKE.get(name, ()):
            return name
    return next((name for name, aliases in KNOWN.items() if argument == name or argument in aliases), "")


def _part_of(argument: str) -> str:
    """Return what an argument receives whose name has that of something known as a part, or nothing.

    >>> [_part_of(name) for name in ("query_lengths", "attention_mask_1", "mask2", "speaker", "max_length")]
    ['lengths', 'mask', 'mask', '', '']
    """
    words = argument.rstrip("0123456789").strip("_").split("_")
    for size in range(len(words), 0, -1) if words[0] not in ("max", "min") else ():  # key_padding_mask before mask
        for part in ("_".join(words[:size]), "_".join(words[-size:])):
            for name in ("lengths", "mask", "drop"):
                if part == name or part in KNOWN[name]:
                    return name
    return ""


def _expected(names: list[str]) -> str:
    known = ", ".join((*names, *KNOWN))
    first = names[0] if names else "tokens"
    return f"a function that feeds it, such as call=lambda model, batch: model(batch.{first}); a batch has {known}"
