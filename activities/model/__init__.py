"""The nouns of the project, one file a noun. Pure: imports nothing of the other rooms."""
