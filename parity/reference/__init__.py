"""The definition of every operation: float64 NumPy, each sequence alone, no padding in sight.

Written in `autograd.numpy`, so its gradients are exact and no backward pass stands here. Every float array may
carry extra leading axes (the disturbed copies of the noise floor ride there), so axes count from the end.
"""
