"""Check a function, a module or a layer of a user's against the contracts of an operation."""
