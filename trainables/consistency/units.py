"""An epoch cut into the units that the probe times: its draws, and one optimizer step at a time.

Knows how the engine's epoch is put together, and must stay equal to it: tested by its counts. Does
not know clocks.
"""

from __future__ import annotations

from trainables.consistency.engine import DistillationEngine
from trainables.consistency.implementations import EpochData
from trainables.consistency.params import DistillParams
from trainables.trial import TimeUnit


class EpochUnits:
    """Runs pieces of an engine's epoch over and over, on state that is thrown away.

    Args:
        engine: Built and warmed up.
        params: What it was built with.
    """

    def __init__(self, engine: DistillationEngine, params: DistillParams) -> None:
        self._engine, self._params = engine, params
        self._data: EpochData | None = None
        self._next_batch = 0

    def units(self) -> tuple[TimeUnit, ...]:
        """One draw an epoch, and ``accum_steps`` batches for every optimizer step."""
        steps_per_epoch = self._engine.iterations / self._params.accum_steps
        return (
            TimeUnit(name="draw", run=self.draw, per_epoch=1.0),
            TimeUnit(name="step", run=self.step, per_epoch=steps_per_epoch),
        )

    def draw(self) -> None:
        """Draws an epoch; the last one's is dropped first, as between two epochs."""
        self._data = None
        self._data = self._engine.draw(1)

    def step(self) -> None:
        """The next ``accum_steps`` batches and their optimizer step; goes round at the epoch's end."""
        assert self._data is not None, "units run in their order"
        num_samples, params = self._data.order.shape[0], self._params
        for _ in range(params.accum_steps):
            first = self._next_batch * params.batch_size
            for start in range(first, min(first + params.batch_size, num_samples), params.micro_batch):
                self._engine.backward_chunk(self._data, start)
            self._next_batch = (self._next_batch + 1) % self._engine.iterations
        self._engine.optimizer_step()
