"""Writes the trials of a run to Optuna's storage, TensorBoard, W&B and Parquet, also while it runs.

All are written by one process that follows the run's journal (`follow`), so that none of them can delay, fail
or change the run. Decides nothing.
"""

from tuner.sinks.contract import Sink

__all__ = ["Sink"]
