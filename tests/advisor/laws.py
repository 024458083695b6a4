"""Laws of time, NRMSE and failure for the advisor's tests, in virtual time."""

import math
from pathlib import Path

from tests.studies import report
from tuner.advisor import Advisor, Run
from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.study import StudySpec
from tuner.runs.journal import Journal
from tuner.runs.journaled import JournaledAdvisor
from tuner.simulate import VirtualClock, simulate

EPOCH_S = 10.0


def smooth_epoch_s(config: TrialConfig) -> float:
    """A fifth of the rows is launches."""
    chunks = config.batch_size // config.micro_batch
    return EPOCH_S * (0.2 * chunks / config.batch_size * 3 + 0.8 * config.num_taus / 5)


def smooth(run: Run, epoch: int) -> Measurement:
    """Larger batches are faster and a little worse."""
    config = run.config
    took_s = smooth_epoch_s(config)
    final = 0.086 + 0.02 / config.num_taus + 0.0015 * math.log2(config.effective_batch_size / 6)
    nrmse = final * (1 + 0.3 * (run.num_epochs - epoch) / run.num_epochs)
    return report(epoch, nrmse, epoch * took_s, took_s)


def out_of_memory_above(rows: int):
    """`smooth`, but what holds more than `rows` rows at once does not fit."""

    def law(run: Run, epoch: int) -> Measurement:
        if run.config.micro_batch * run.config.num_taus > rows:
            return report(0, math.nan, 0.0, 0.1, status=Status.OOM, error="CUDA out of memory")
        return smooth(run, epoch)

    return law


def run_study(study: StudySpec, law, path: Path, *, num_workers: int = 1):
    """Runs a study in virtual time; gives the advisor, its last word and the clock."""
    clock = VirtualClock()
    advisor = Advisor(study, num_workers=num_workers)
    journal = Journal(path)
    last = simulate(JournaledAdvisor(advisor, journal, clock), law, clock, num_workers=num_workers)
    journal.close()
    return advisor, last, clock
