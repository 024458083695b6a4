"""Builds trial records from a curve and epoch times, for the tests of this folder."""

from collections.abc import Sequence
from itertools import accumulate

from tuner.core.config import TrialConfig
from tuner.core.measurement import Measurement, Status
from tuner.core.trial import TrialRecord, TrialState

CONFIG = TrialConfig(batch_size=6, micro_batch=3, num_taus=5)


def record(
    curve: Sequence[float],
    epoch_times: Sequence[float],
    *,
    num_epochs: int | None = None,
    state: TrialState | None = None,
    config: TrialConfig = CONFIG,
    resumed: bool = False,
) -> TrialRecord:
    """A trial that reported `curve`; COMPLETE when that is all of its epochs, RUNNING otherwise."""
    num_epochs = num_epochs or len(curve)
    measurements = tuple(
        Measurement(
            status=Status.OK,
            epoch=epoch,
            nrmse=nrmse,
            time_s=time_s,
            epoch_time_s=epoch_time_s,
            resumed=resumed,
        )
        for epoch, (nrmse, time_s, epoch_time_s) in enumerate(
            zip(curve, accumulate(epoch_times), epoch_times, strict=True), start=1
        )
    )
    whole = TrialState.COMPLETE if len(curve) == num_epochs else TrialState.RUNNING
    return TrialRecord(
        trial_id="0001",
        config=config,
        seed=0,
        num_epochs=num_epochs,
        state=state or whole,
        measurements=measurements,
    )
