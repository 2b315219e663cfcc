"""Interview preparation for engineers of large models: every answer is an experiment that runs on your machine.

Importing this package loads nothing heavy; torch is imported by the modules that compute.
"""

__version__ = "0.1.0"
