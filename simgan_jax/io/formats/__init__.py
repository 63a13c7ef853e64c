"""Image formats, a module each: header and pixels of a file, and back with all that describes them."""
