"""The reference of HTTP, command line, configuration and metrics, generated from the code."""
