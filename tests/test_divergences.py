"""Check that every divergence is still as its entry describes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parity.__main__ import main
from parity.checks.result import PASSED, SKIPPED
from parity.divergences import DIFFERS, DIVERGENCES, Trial, find, try_out
from parity.divergences.entry import shown
from parity.divergences.searching import search


def test_divergence(parity_trial: Trial) -> None:
    """Check that the naive code gives the values of the entry."""
    assert parity_trial.status == PASSED, parity_trial.reason


@pytest.mark.parametrize("name", [name for name, entry in DIVERGENCES.items() if entry.verdict == DIFFERS])
def test_frameworks_differ_where_the_verdict_says_so(name: str) -> None:
    """Expect a value of one name that is not the same in both, or one that only one framework gives."""
    pytorch, tensorflow = (
        {key: shown(value) for key, value in values.items()} for values in DIVERGENCES[name].expected.values()
    )
    of_one_name = any(pytorch[key] != tensorflow[key] for key in pytorch.keys() & tensorflow.keys())
    assert of_one_name or set(pytorch.values()) != set(tensorflow.values())


SEARCHED = {  # words of somebody who has the symptom -> the entry
    "bias_hh learning rate twice": "optimiser.two_biases",
    "RMSprop epsilon root": "optimiser.epsilon_placement",
    "Keras layer float64 float32": "precision.keras_float64",
    "hard_sigmoid recurrent_activation Keras 2": "rnn.hard_sigmoid",
    "ONNX padding Keras": "rnn.onnx_padding",
    "initial_state mask lost": "masking.initial_state",
    "is_causal hint need_weights": "decoder.causal_hint",
    "causal left padding NaN": "decoder.causal_and_left_padding",
    "masked key NaN": "decoder.masked_nan",
    "minimum added float16 mask": "decoder.minimum_added_twice",
    "mask broadcast heads": "decoder.mask_over_heads",
    "average_attn_weights heads": "decoder.weights_of_heads",
    "cross attention memory mask": "decoder.memory_mask",
    "mask for each query": "decoder.mask_over_heads",
    "labels shifted twice": "documents.labels_shifted_twice",
    "chunks state detach": "packing.chunks_of_time",
    "dropout drops eval": "dropout.in_evaluation",
    "attention weights sum dropout": "dropout.returned_weights",
    "dropout seed padding": "dropout.mask_depends_on_padding",
    "nested jagged is_causal": "attention.nested_tensors",
    "evaluate batch_size perplexity": "metrics.evaluate_weighs_batches",
    "perplexity mean batches": "metrics.mean_of_perplexities",
    "metric sample_weight padded": "metrics.metric_averages_over_time",
    "gradient accumulation": "averages.gradient_accumulation",
    "position left padding arange": "positions.columns",
    "argmax pad length": "positions.argmax_of_no_pad",
    "padding_idx position table": "positions.padding_idx_of_a_table",
    "last output left padding": "positions.last_step",
    "hole packing lengths": "holes.skipped_or_not",
    "hole count last step": "holes.last_by_count",
    "Masking hole zeros": "holes.holes_by_masking",
    "packed documents see each other": "documents.causal_mask_only",
    "packed positions restarted": "documents.positions_not_restarted",
    "loss averaged per row": "documents.averaged_per_row",
    "document target boundary": "documents.target_over_a_boundary",
    "cu_seqlens leading 0": "documents.cu_seqlens_without_zero",
    "document NaN": "documents.nan_of_another_document",
    "packed document state reset": "documents.masked_separator",
    "pad class NaN 0 log 0": "loss.zero_log_zero",
    "focal gamma NaN": "loss.focal_slope",
    "CRF mask hole transition": "crf.holes_in_a_chain",
    "label -1 last class": "crf.labels_of_minus_one",
    "TimeDistributed steps missing": "masking.time_distributed",
    "padding stride same even": "convolution.same_stride_even",
    "empty batch channels Conv1D": "convolution.batch_of_no_rows",
    "dot_product_attention float32 scale": "attention.default_scale_in_float32",
    "export mask TFSMLayer": "passing.exported",
    "RepeatVector mask": "passing.repeat_vector",
    "return_sequences=False loss": "passing.repeat_vector",
    "ConvLSTM Masking": "passing.conv_lstm",
    "ragged LSTM": "passing.ragged",
    "LSTMCell dropout": "cells.dropout_mask",
    "StackedRNNCells mask": "cells.one_in_a_list",
    "proj_size states": "cells.proj_size",
    "h0 None LSTM": "cells.one_of_two_states",
    "float64 list of cells": "cells.dtype_of_a_list",
    "dropout NaN inf": "cells.dropped_nan",
    "truncated backpropagation detach": "cells.ended_in_an_earlier_chunk",
    "batch_sizes lengths": "packing.batch_sizes",
    "lengths stride steps left": "strided.lengths_behind_a_stride",
    "CTC lengths stride": "strided.ctc_lengths",
    "count_include_pad": "strided.average_of_padding",
    "window NaN maximum": "strided.nan_in_a_window",
    "dilation stride groups gradient": "strided.stride_and_dilation",
    "root gradient mask NaN": "statistics.root_at_padding",
    "norm gradient zero NaN": "statistics.norm_at_zero",
    "std one step NaN": "statistics.deviation_of_one_step",
    "CMVN padding": "statistics.instance_norm_of_padding",
    "normalize epsilon square": "normalisation.unit_norm_epsilon",
    "RMS epsilon": "normalisation.rms_norm_defaults",
    "is_causal KV cache": "decoder.causal_corner",
    "static cache mask": "decoder.padding_in_the_cache",
    "MoE load padding": "averages.load_of_experts",
    "beam search length_penalty": "averages.length_penalty",
    "cumulative sum backwards": "averages.cumulative_sum",
    "masked_mean length bias": "averages.mean_of_means",
    "Mamba state decay padding": "rnn.zeros_are_no_mask",
    "stateful reset_states": "rnn.stateful",
    "stop token never": "loss.stop_token",
    "NaN target missing": "loss.missing_targets",
    "labels -100 predictions exactly": "metrics.whole_sequences",
    "SpecAugment padding": "dropout.time_masks_on_padding",
    "bucket_by_sequence_length memory": "packing.tokens_of_a_batch",
    "cu_seqlens trailing": "documents.trailing_cu_seqlens",
    "torch.export packs": "compilation.exported_packing",
    "ONNX tracing lengths": "compilation.exported_packing",
    "causal mask forgotten": "decoder.causal_mask_forgotten",
    "attend future tokens": "decoder.causal_mask_forgotten",
    "EOS finished batch": "generation.behind_the_end_token",
    "KV cache position left-padded": "generation.positions_in_the_cache",
    "exact match padding labels": "metrics.whole_sequences",
    "sliding window W": "generation.sliding_window",
    "GQA repeat_interleave": "generation.repeated_heads",
    "cumprod gradient": "generation.product_of_masked_factors",
    "log-probabilities shifted response": "loss.mask_not_shifted",
    "masked_bias": "pooling.large_negative",
    "sum features mask cancel": "masking.length_from_features",
}


def test_what_a_word_is_about_is_listed_first(capsys: pytest.CaptureFixture[str]) -> None:
    """List an entry with the word in its claim before those that only use it, and say how to read one."""
    assert main(["divergences", "--search", "mask_zero"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("embedding.mask_zero_is_no_zero")
    assert lines[-1].startswith("`parity divergences embedding.mask_zero_is_no_zero` shows the first")


REPORTED = {  # words as reporters put them, of which an entry may lack some -> the entry, among the first three
    "sort by length embeddings mixed up": "packing.sorted_batch",
    "bidirectional GRU last hidden state": "bidirectional.last_output",
    "position_ids attention_mask left": "positions.columns",
    "pad_token eos_token": "masking.end_as_padding",
    "GroupNorm zero padded": "normalisation.groupnorm_mask",
    "batch norm variable length": "normalisation.batchnorm_on_padding",
    "num_heads mask repeat": "decoder.mask_over_heads",
    "convolution padding leaks": "convolution.stack_bias",
    "cross-attention mask query": "decoder.memory_mask",
    "TimeDistributed Flatten masking": "masking.time_distributed",
    "micro-batch tokens": "averages.gradient_accumulation",
    "accuracy mask tokens": "averages.accuracy_counts_padding",
    "torch.compile recompiles length": "compilation.retracing",
    "zero mean unit variance padding": "statistics.instance_norm_of_padding",
    "prompt cache attention_mask new token": "decoder.padding_in_the_cache",
    "router auxiliary loss": "averages.load_of_experts",
    "hidden state decays padding": "rnn.zeros_are_no_mask",
    "discounted returns padding": "averages.cumulative_sum",
    "missing values time series NaN loss": "loss.missing_targets",
    "augmentation masks frames of padding": "dropout.time_masks_on_padding",
    "generate do not stop after eos_token batch": "generation.behind_the_end_token",
    "Batched KV Cache Position IDs": "generation.positions_in_the_cache",
    "Avoid padding computation with cu_seqlens": "documents.trailing_cu_seqlens",
    "Export to ONNX pack_padded_sequence generates wrong output": "compilation.exported_packing",
    "CausalLM attend to future tokens loss collapses": "decoder.causal_mask_forgotten",
    "exact match counts padding": "metrics.whole_sequences",
    "Off-by-one error flash_attention sliding window": "generation.sliding_window",
    "Conformer output depends on padding": "convolution.stack_bias",
    "encoder time convolutions reading padded frames": "convolution.stack_bias",
    "mask sum of dim is 0 but the elements are not zero": "masking.length_from_features",
    "attention mask in all decoding steps inference": "decoder.padding_in_the_cache",
    "Generated results are different with padding and single": "decoder.padding_in_the_cache",
    "pos is unexpectedly all zero True on pad positions": "attention.polarity",
    "accuracy does not exclude padding -100": "averages.accuracy_counts_padding",
    "DPO loss mask shift": "loss.mask_not_shifted",
    "RoPE positions are never set document packing": "documents.positions_not_restarted",
    "left-padded masks for lasttoken pooling": "positions.last_step",
    "batchnorm1D on padded values": "normalisation.batchnorm_on_padding",
}


@pytest.mark.parametrize("words", REPORTED)
def test_the_nearest_entry_is_listed_where_none_has_all_words(words: str) -> None:
    found = search(words.split())
    assert REPORTED[words] in [entry.name for entry in (*found.complete, *found.nearest)[:3]]


def test_words_that_no_entry_has_are_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["divergences", "--search", "xylophone"]) == 1
    assert capsys.readouterr().out == "no entry has any of these words: try others, or a part of one\n"
    assert main(["divergences", "--search", "xylophone", "mask_zero"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "The nearest, with some of the words:"


@pytest.mark.parametrize("words", SEARCHED)
def test_an_entry_is_found_by_the_words_of_a_symptom(words: str) -> None:
    found = [name for name, entry in DIVERGENCES.items() if entry.has(words.split())]
    assert SEARCHED[words] in found
    assert len(found) <= 3


def test_several_words_in_one_string_are_words_too() -> None:
    found = [name for name, entry in DIVERGENCES.items() if entry.has(["left padding"])]
    assert {"positions.columns", "decoder.causal_and_left_padding"} <= set(found)


def test_an_entry_that_needs_a_package_is_skipped_without_it() -> None:
    entry = replace(find("loss.all_ignored"), needs=("no_such_package",))
    trial = try_out(entry, next(iter(entry.snippets)))
    assert trial.status == SKIPPED
    assert "no_such_package" in trial.reason or "not installed" in trial.reason
