"""The pattern analyzers; those that count violations of one component share a file."""
