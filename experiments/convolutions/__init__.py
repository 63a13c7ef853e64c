"""Ways to compute an estimator's convolutions on a CPU."""
