"""The configurations that come with the package: one file a task, `get_config(variant)` in each."""
