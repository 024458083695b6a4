"""distill-tuner: finds the fastest feasible way to run a consistency-distillation stage, by real training.

Importing this package imports nothing heavy; `python -m tuner.run --help` says how to use it.
"""

__version__ = "0.1.0"
