"""One page about a run, made from the files in its folder."""
