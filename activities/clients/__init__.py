"""The only code that talks to the outside, one remote thing a file."""
