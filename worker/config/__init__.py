"""The configuration: one YAML file, environment and run file, read into typed sections and checked as a whole."""
