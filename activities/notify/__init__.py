"""Notify: the notifications of operators, and their text for each kind of receiver."""
