"""Where people look anyway: Optuna's storage, TensorBoard, W&B and Parquet, up to date while a run goes on.

Each is written in the background and may fail, or hang, without the run noticing. Decides nothing.
"""

from tuner.sinks.background import Sinks
from tuner.sinks.contract import Sink
from tuner.sinks.selection import open_sinks

__all__ = ["Sink", "Sinks", "open_sinks"]
