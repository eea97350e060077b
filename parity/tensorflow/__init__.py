"""Implement every operation in TensorFlow and Keras: tensors in, a dict of tensors out."""
