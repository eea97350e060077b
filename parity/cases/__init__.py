"""Sample the input of a variant from a seed, or check the input that a user gives."""
