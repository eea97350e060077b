"""How PyTorch computes every operation: framework tensors in, a dict of framework tensors out."""
