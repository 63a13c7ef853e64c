"""What simgan_jax does on a GPU or TPU: numbers, speed, the paper's schedule, hands of full size."""
