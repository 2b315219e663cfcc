"""Benchmarks of the course, as ratios measured in one run: `make bench`."""
