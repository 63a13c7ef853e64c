"""Training a run: the loop, what watches it, its checkpoints, logs and devices."""
