"""What the package promises when things go wrong, tried many times and counted."""
