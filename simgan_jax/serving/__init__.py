"""A page to try a refiner on; needs the extra `demo`."""
