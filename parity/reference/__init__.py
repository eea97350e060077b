"""Define every operation in float64 NumPy, on each sequence alone and without padding.

It is written in `autograd.numpy`, so gradients are exact and no backward pass is needed. Every float array may have
extra leading axes, which hold the perturbed copies of the noise floor. So axes are counted from the end.
"""
