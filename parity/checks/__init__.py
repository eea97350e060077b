"""Checks: hold a variant to the contracts, and compare within the noise floor."""
