"""Measure the throughput of every variant, packed against padded: ``pytest benchmarks --benchmark-only``."""
