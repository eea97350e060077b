"""Cases: what a variant runs on, sampled from a seed or given by a user."""
