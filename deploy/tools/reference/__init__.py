"""The reference of HTTP, command line, configuration and metrics, generated from what is said in the code itself."""
