"""Time variants in interleaved rounds, derive metrics, and advise which variant is fastest."""
