"""Who runs it: configuration, wiring, the `mapek` command and the service it answers with."""
