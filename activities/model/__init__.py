"""The nouns of the project, one per file. Pure: imports no other room."""
