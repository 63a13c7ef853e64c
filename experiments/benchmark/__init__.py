"""Times of the updates of simgan_jax, beside the same algorithm in PyTorch."""
