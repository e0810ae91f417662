"""Where raw examples come from: a file is one layout in which corpora are found."""
