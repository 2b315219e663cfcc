"""Part 2: training one model on many processes, one technique per file."""
