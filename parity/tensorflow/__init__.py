"""How TensorFlow and Keras compute every operation: framework tensors in, a dict of framework tensors out."""
