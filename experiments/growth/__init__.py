"""Whether an iteration takes as long however large the run."""
