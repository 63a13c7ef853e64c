"""Configurations: one file a task, `get_config(variant)` in each."""
