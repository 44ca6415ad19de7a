"""Execute: prepare, apply, verify and undo changes at Charter."""
