"""Monitor: the violations and the blind spots of components."""
