"""Pairs of models that are meant to be the same: right ones, and wrong ones with one mistake each."""
