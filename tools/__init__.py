"""Commands for those who write the course: execute notebooks and store their outputs."""
