"""Whether an iteration takes as long, and as much memory, however large the run."""
