"""Checks that a script's reports are its epochs, in order and no more, and that its clock is one.

Knows epoch numbers and seconds. Does not know lines or processes.
"""

from __future__ import annotations

from collections.abc import Mapping

COUNT_LINES = "keys: {epoch: ''} in the stage's options counts the lines instead"
MAX_RATIO = 2.0
"""Largest accepted ratio between the seconds that a script reports and those of our clock."""
SLACK_S = 0.1
"""Seconds of difference from our clock that are always accepted."""


class EpochCount:
    """Counts reports, by the epoch they name or else one by one.

    Args:
        num_epochs: Reports that are expected.
        quality: Name of the figure that makes a line a report, for messages.
        otherwise: What to write in the stage's options for a script that reports less often.

    Attributes:
        num: Reports so far.
        num_before: Reports before the first epoch, which do not count: epoch 0.
        last_within: Epoch of the latest report within an epoch (0.5), which does not count; None if none.
    """

    def __init__(
        self, num_epochs: int, quality: str = "NRMSE", otherwise: str = "write per_epoch: false"
    ) -> None:
        self._num_epochs, self._quality, self._otherwise = num_epochs, quality, otherwise
        self.num = self.num_before = 0
        self._is_numbered = False
        self.last_within: float | None = None

    @property
    def has_seen_any(self) -> bool:
        """Whether there was any report, of an epoch or not."""
        return bool(self.num or self.num_before or self.last_within is not None)

    @property
    def is_complete(self) -> bool:
        """Whether there were as many reports as are expected."""
        return self.num == self._num_epochs

    def is_end_of_epoch(self, epoch: float | None) -> bool:
        """Whether a report is the next epoch's; False if it is from before training or within an epoch.

        Args:
            epoch: The epoch that the report names; None if it names none.

        Raises:
            ValueError: It is another epoch's, or there are too many; the message has the fix.
        """
        if epoch is None and self._is_numbered:
            return False  # a summary, or of something else: the epochs tell their numbers
        if epoch is not None and not self._is_numbered and self.num:
            raise ValueError(
                f"a line without an epoch came before the line of epoch {epoch:g}. Fix: print the "
                f"{self._quality} of anything but an epoch under another name; or {COUNT_LINES}."
            )
        self._is_numbered = epoch is not None
        if epoch is not None and epoch <= 0 and self.num == 0:
            self.num_before += 1
            return False
        if epoch is not None and not epoch.is_integer():
            self.last_within = epoch
            return False
        due = self.num + 1
        if due > self._num_epochs or epoch not in (None, due):
            raise ValueError(self._complaint(epoch))
        self.num = due
        return True

    def why_short(self) -> str:
        """Returns why there were fewer reports than epochs, and the fix."""
        said = f"it printed the {self._quality} of only {self.num} of {self._num_epochs} epochs"
        if self.num_before and self.num == self._num_epochs - 1:
            return (
                f"{said}: it numbers its epochs from 0, but a line of epoch 0 counts as an evaluation before "
                f"training. Fix: number them from 1, or leave the number out: {COUNT_LINES}."
            )
        fix = f"print one such line per epoch, or {self._otherwise}"
        if self.num:
            said += " and then ended well, as a script with early stopping does"
            fix = f"switch early stopping off, so that every trial trains as long as the study says; or {fix}"
        if self.last_within is not None:
            said += f" (a line of epoch {self.last_within:g} is from within an epoch)"
            fix += f"; {COUNT_LINES}"
        return f"{said}. Fix: {fix}."

    @property
    def _one(self) -> str:
        return "an NRMSE" if self._quality == "NRMSE" else self._quality

    def _complaint(self, epoch: float | None) -> str:
        if epoch is None:
            return (
                f"it printed more lines with {self._one} than the {self._num_epochs} epochs. "
                "Fix: print one per epoch, from rank 0 only, and a summary under another name; "
                "if the lines name their epoch, map keys.epoch."
            )
        seen = f"a line of epoch {epoch:g} came"
        if epoch == self.num:
            return f"{seen} twice. Fix: print metrics from rank 0 only, once per epoch."
        if epoch > self._num_epochs:
            return (
                f"{seen}, but the study has {self._num_epochs} epochs. "
                f"Fix: pass {{num_epochs}} to the script; or {COUNT_LINES}."
            )
        if epoch < self.num:
            return (
                f"{seen} after epoch {self.num}. Fix: print metrics in order, from rank 0 only; "
                f"or {COUNT_LINES}."
            )
        return (
            f"{seen} where epoch {self.num + 1} was due. Fix: print the {self._quality} after every epoch, "
            f"or write per_epoch: false; or {COUNT_LINES}."
        )


class SumOfEpochs:
    """Adds up the seconds of each epoch, for a script that says them as it trains and the rest at its end.

    Args:
        num_epochs: Epochs that are expected.
        keys: The option ``keys``, which names the seconds by ``time_per_epoch``.

    Attributes:
        time_s: Seconds of all epochs so far.
    """

    def __init__(self, num_epochs: int, keys: Mapping[str, str]) -> None:
        name = f"{keys['time_per_epoch']!r} (keys.time_per_epoch)"
        self._count = EpochCount(num_epochs, name, "leave keys.time_per_epoch out to use the wall clock")
        self.time_s = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether there were as many epochs as are expected."""
        return self._count.is_complete

    def add(self, seconds: float, epoch: float | None) -> None:
        """Adds those of a report, if it is the next epoch's; see ``EpochCount.is_end_of_epoch``."""
        if self._count.is_end_of_epoch(epoch):
            self.time_s += seconds

    def why_short(self) -> str:
        """Returns why there were too few, and the fix; "" if there was no report at all."""
        return self._count.why_short() if self._count.has_seen_any else ""


def check_clock(
    before_s: float,
    now_s: float,
    wall_s: float,
    *,
    is_wall_all_training: bool,
    is_from_start: bool = False,
    name: str = "time_s",
) -> None:
    """Compares two readings of a script's own clock with the time that passed between their lines.

    Args:
        before_s: The earlier reading; 0 when training began.
        now_s: The later one.
        wall_s: Wall seconds that passed between the two lines.
        is_wall_all_training: False if that includes set-up, which the script may leave out.
        is_from_start: Whether they passed since the line that option start matches.
        name: ``time_s``, or ``time_per_epoch`` where the readings are sums of that.

    Raises:
        ValueError: It does not rise, or is off by more than ``MAX_RATIO``; the message has the fix.
    """
    step_s = now_s - before_s
    is_too_long = step_s > MAX_RATIO * wall_s
    is_too_short = is_wall_all_training and wall_s > MAX_RATIO * step_s
    if step_s > 0 and (abs(step_s - wall_s) <= SLACK_S or not (is_too_long or is_too_short)):
        return
    passed = f"{wall_s:.3g} s passed{' since the line of option start' if is_from_start else ''}"
    early = "; or, if it still sets up after that line, leave start out" if is_from_start else ""
    if name == "time_per_epoch":
        raise ValueError(
            f"time_per_epoch was {step_s:g} while {passed}. Fix: it must be the seconds of "
            "training of one epoch, above 0: map such a key in keys.time_per_epoch, or a cumulative one in "
            f"keys.time_s, or leave both out to use the wall clock{early}."
        )
    seen = f"time_s went from {before_s:g} to {now_s:g} while {passed}"
    if step_s <= 0:
        seen = f"time_s did not rise: it was {before_s:g} and then {now_s:g}"
    raise ValueError(
        f"{seen}. Fix: time_s must be cumulative seconds of training: map a cumulative key in keys.time_s "
        "(and make the script flush its lines), or seconds of each epoch in keys.time_per_epoch, or "
        f"leave keys.time_s out to use the wall clock{early}."
    )
