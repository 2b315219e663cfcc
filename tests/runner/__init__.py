"""The parts of `python -m tests.run`: lint, unit tests, notebooks in a cut network, the table."""
