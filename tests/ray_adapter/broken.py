"""Stages that do not work, each in a way of its own."""

import os
import time
from pathlib import Path
from typing import Any, ClassVar

from ray import tune

from tests.stages import SyntheticStage
from trainables.base import MeasuredTrainable


class Reports(tune.Trainable):
    """Reports what its class says, whatever it is asked to train."""

    changes: ClassVar[dict[str, Any]] = {}

    def setup(self, config):
        self.epoch = 0
        self.began_s = time.monotonic()

    def step(self):
        self.epoch += 1
        time.sleep(0.05)
        spent_s = time.monotonic() - self.began_s
        report = {"status": "ok", "epoch": self.epoch, "nrmse": 0.09, "time_s": spent_s, "epoch_time_s": 0.05}
        return {key: value for key, value in (report | self.changes).items() if value is not None}

    def reset_config(self, new_config):
        self.setup(new_config)
        return True


class NoTime(Reports):
    changes: ClassVar[dict[str, Any]] = {"time_s": None, "epoch_time_s": None}


class NegativeNrmse(Reports):
    changes: ClassVar[dict[str, Any]] = {"nrmse": -1}


class SameEpochTwice(Reports):
    changes: ClassVar[dict[str, Any]] = {"epoch": 1}


class ClockOfMinutes(Reports):
    changes: ClassVar[dict[str, Any]] = {"time_s": 60.0}


class EnergyOfAStar(Reports):
    changes: ClassVar[dict[str, Any]] = {"energy_j": 1.7e308}


class EpochBeyondCounting(Reports):
    changes: ClassVar[dict[str, Any]] = {"epoch": 10**20}


class MemoryInWords(Reports):
    changes: ClassVar[dict[str, Any]] = {"peak_memory_gib": "80 GiB"}


class EndsBeforeItReports(Reports):
    changes: ClassVar[dict[str, Any]] = dict.fromkeys(
        ("status", "epoch", "nrmse", "time_s", "epoch_time_s")
    ) | {"done": True}


class RaisesInSetup(Reports):
    def setup(self, config):
        open("/no/such/file.npz")  # noqa: SIM115


class OutOfMemoryInSetup(Reports):
    def setup(self, config):
        raise MemoryError("no room for the model\nsecond line")


class HangsButTheBaseline(Reports):
    """Trains the baseline to its end; of anything else it never reports a second epoch."""

    hangs_in_setup = False

    def setup(self, config):
        super().setup(config)
        self.config = config
        if self.hangs_in_setup:
            self.hang()

    def hang(self):
        if self.config["params"]["micro_batch"] != 3:
            (Path(self.config["stage"]["pids"]) / str(os.getpid())).touch()
            time.sleep(10**6)

    def step(self):
        if self.epoch:
            self.hang()
        report = super().step()
        return report | {"done": self.epoch == self.config["num_epochs"]}


class HangsInSetupButTheBaseline(HangsButTheBaseline):
    hangs_in_setup = True


class Unfinished(MeasuredTrainable):
    """Lacks three of the methods that a stage must have."""

    def build(self, params, seed, options):
        pass

    def warm_up(self):
        pass


class Unprepared(SyntheticStage):
    """Refuses its options when it is to make what all trials share."""

    @classmethod
    def prepare(cls, options):
        (unknown,) = options.keys() - {"num_samples"}
        raise ValueError(f"unknown stage option {unknown}. Fix: remove it.")


class NeverPrepared(SyntheticStage):
    """Is never done with what all trials share."""

    @classmethod
    def prepare(cls, options):
        time.sleep(10**6)
