"""Tests of the course; `python -m tests.run` runs everything."""
