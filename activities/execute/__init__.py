"""Execute: prepare, apply, verify, undo at Charter."""
