"""Implement every operation in PyTorch: tensors in, a dict of tensors out."""
