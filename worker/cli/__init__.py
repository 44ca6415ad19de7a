"""The `mapek` command."""
