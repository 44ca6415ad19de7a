"""The pattern analyzers, one file a kind."""
