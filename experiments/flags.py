"""Flags that experiments share."""

from absl import flags

QUICK = flags.DEFINE_bool("quick", False, "Little of everything: minutes, to try the program.")
