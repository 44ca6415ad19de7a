"""Notify: what people are told, and how it is put for each kind of receiver."""
