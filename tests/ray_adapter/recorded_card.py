"""A command stage whose workers find a recorded card, 40 GiB large, of which its trials use 39."""

import json
import os
import sys
from pathlib import Path

from trainables.command import CommandStage
from trainables.telemetry.gpu import ReplayedNvml
from trainables.telemetry.memory import GIB

RECORDED = Path(__file__).parents[1] / "trainables/nvml/two_cards.json"


def put_recording():
    """Puts the recording in the place of pynvml; it tells memory of the worker, which counts as ours."""
    used = [{"pid": os.getpid(), "usedGpuMemory": 39 * GIB}]
    answers = json.loads(RECORDED.read_text()) | {"nvmlDeviceGetComputeRunningProcesses": {"a": used}}
    sys.modules["pynvml"] = ReplayedNvml(answers)
    os.environ["CUDA_VISIBLE_DEVICES"] = "0"


class OnRecordedCard(CommandStage):
    """Puts the recording there before anybody asks."""

    @classmethod
    def device_kind(cls, options):
        put_recording()
        return super().device_kind(options)

    @classmethod
    def describe_device(cls, options=None):
        put_recording()
        return super().describe_device(options)
