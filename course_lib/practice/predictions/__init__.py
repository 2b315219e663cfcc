"""Guesses before a run, their scores, and how well a reader is calibrated."""
