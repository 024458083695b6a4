"""Cuts an epoch into the units that the probe times: its draws, and one optimizer step at a time.

Knows how the engine's epoch is put together, and must stay equal to it: tested by its counts. Does
not know clocks.
"""

from __future__ import annotations

from trainables.consistency.engine import DistillationEngine
from trainables.consistency.implementation import Part
from trainables.consistency.params import DistillParams
from trainables.trial import TimeUnit


class EpochUnits:
    """Runs pieces of an engine's epoch over and over, on state that is thrown away.

    Args:
        engine: Built and warmed up.
        params: The parameters with which the engine was built.
    """

    def __init__(self, engine: DistillationEngine, params: DistillParams) -> None:
        self._engine, self._params = engine, params
        self._part: Part | None = None
        self._next_sample = 0

    def units(self) -> tuple[TimeUnit, ...]:
        """Returns the units of epoch 1: draws of a part, and ``accum_steps`` batches with an optimizer step.

        With a ``tau_schedule``, later epochs take other times, which a probe does not see.
        """
        engine, accum_steps = self._engine, self._params.accum_steps
        return (
            TimeUnit(name="draw", run=self.draw, per_epoch=engine.parts_in_epoch),
            TimeUnit(name="step", run=self.step, per_epoch=engine.iterations / accum_steps),
        )

    def draw(self) -> None:
        """Draws and prepares a part; the last one is dropped first, as between two epochs."""
        self._part = None
        self._part = self._engine.prepare(next(self._engine.draw(1)))
        self._next_sample = 0

    def step(self) -> None:
        """Trains on ``accum_steps`` batches, with their optimizer step; starts over at the part's end."""
        assert self._part is not None, "units run in their order"
        for _ in range(self._params.accum_steps):
            for start in self._engine.chunk_starts(self._part, self._next_sample):
                self._engine.backward_chunk(self._part, start)
            self._next_sample += self._params.batch_size
            if self._next_sample >= len(self._part.s1):
                self._next_sample = 0
        self._engine.optimizer_step()
