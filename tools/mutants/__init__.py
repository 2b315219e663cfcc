"""Mutants: one-line changes of a chapter that a reader would call wrong, each for a cell to notice. `make mutants`."""
