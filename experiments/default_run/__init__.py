"""Several seeds of the default run."""
