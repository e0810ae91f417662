"""Sources of raw examples: one file for each layout in which corpora exist on disk."""
