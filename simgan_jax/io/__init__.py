"""Files and the terminal: what appears whole, image formats, work in the background, progress."""
