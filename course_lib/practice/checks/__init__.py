"""Exercises: judging a reader's answer, and the proof that the check can tell right from wrong."""
