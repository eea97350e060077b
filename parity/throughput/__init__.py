"""Throughput: time variants in turns, derive metrics, and advise which is fastest."""
