"""A trained refiner at work: on arrays, folders and data sets, and as files for other programs."""
