"""A command stage whose workers find a recorded card, 40 GiB large, of which its trials use 39."""

import json
import os
from pathlib import Path
from unittest.mock import patch

from trainables.command import CommandStage
from trainables.telemetry.gpu import ReplayedNvml
from trainables.telemetry.memory import GIB

RECORDED = Path(__file__).parents[1] / "trainables/nvml/two_cards.json"


def recording():
    """Puts the recording in the place of pynvml for a while; it tells memory of the worker, which is ours.

    Other tests' stages may run in the same worker of Ray later, and find no card.
    """
    used = [{"pid": os.getpid(), "usedGpuMemory": 39 * GIB}]
    answers = json.loads(RECORDED.read_text()) | {"nvmlDeviceGetComputeRunningProcesses": {"a": used}}
    return patch.dict("sys.modules", {"pynvml": ReplayedNvml(answers)})


class OnRecordedCard(CommandStage):
    """Lets everybody who asks for the card see the recording."""

    @classmethod
    def device_kind(cls, options):
        with recording(), patch.dict(os.environ, CUDA_VISIBLE_DEVICES="0"):
            return super().device_kind(options)

    @classmethod
    def describe_device(cls, options=None):
        with recording(), patch.dict(os.environ, CUDA_VISIBLE_DEVICES="0"):
            return super().describe_device(options)

    @classmethod
    def instruments(cls, device_kind):
        with recording(), patch.dict(os.environ, CUDA_VISIBLE_DEVICES="0"):
            return super().instruments(device_kind)
