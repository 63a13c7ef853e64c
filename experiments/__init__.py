"""One package per measurement or figure; `python -m experiments.<name>` writes its result beside it."""
