"""CycleGAN and CUT with this package's networks and data, to be compared with its refiner."""
