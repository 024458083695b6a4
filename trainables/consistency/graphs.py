"""Work captured once and replayed: on CUDA, one launch in place of hundreds.

Knows static memory: a replay reads and writes the addresses of the capture, so inputs are copied in, and
the result is copied out before another replay may overwrite it. Does not know what is computed.

Whether a replay is valid is decided by the arguments alone: the shapes of tensors and the values of
numbers must be those of a capture. Everything else that the work touches must stay where it is in
memory: weights, gradients, the optimizer's state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor

_WARM_UP_RUNS = 3
Argument = Tensor | float
Key = tuple[Any, ...]


class Replayable(Protocol):
    """Captured work, such as ``torch.cuda.CUDAGraph``."""

    def replay(self) -> None:
        """Repeats the work on the memory with which it was captured."""


Capture = Callable[[Callable[[], Tensor]], tuple[Replayable, Tensor]]
"""Captures work; returns what replays it, and the memory that holds its result after a replay. May run the
work any number of times."""


def capture_for(device: torch.device) -> Capture | None:
    """Returns the way to capture work on ``device``; None if it cannot be captured."""
    return CudaCapture() if device.type == "cuda" else None


@cache
def _capture_stream() -> torch.cuda.Stream:
    """Returns the process's only capture stream: libraries keep a workspace for every stream they see."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


class CudaCapture:
    """Captures CUDA graphs that share one pool of memory; replay them in any order, one at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()
        self._stream = _capture_stream()

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Replayable, Tensor]:
        """Runs ``work`` three times on a side stream, so that libraries are loaded; then captures it.

        Raises:
            torch.OutOfMemoryError: Memory ran out, also in the capture itself.
        """
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_RUNS):
                work()
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        try:
            # Errors of this thread only: others of the process may use the card for what they do.
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                result = work()
        except RuntimeError as error:
            raise out_of_memory_behind(error) or error from None
        return graph, result


def out_of_memory_behind(error: BaseException) -> torch.OutOfMemoryError | None:
    """Returns the out-of-memory error that led to ``error``; None if there is none.

    Ending a capture in which something failed fails as well, and that error hides the first.
    """
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, torch.OutOfMemoryError):
        seen = seen.__cause__ or seen.__context__
    return seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recorded:
    """One captured shape: its input tensors, the graph, and its output tensor."""

    inputs: list[Tensor]
    graph: Replayable
    result: Tensor


class Replayed:
    """A function of tensors and numbers, replayed for captured arguments and called for all others.

    Attributes:
        recording: While set, a call with new arguments captures them.

    Args:
        function: The work; may change memory that stays where it is. No gradient flows through it.
        capture: The way to capture; None if the function is always called.
    """

    def __init__(self, function: Callable[..., Tensor], capture: Capture | None) -> None:
        self._function, self._capture = function, capture
        self._recorded: dict[Key, _Recorded] = {}
        self.recording = False

    def __call__(self, *arguments: Argument) -> Tensor:
        """Returns the function's result, in memory of its own."""
        if self._capture is None:
            return self._function(*arguments)
        key = tuple((a.shape, a.dtype) if isinstance(a, Tensor) else a for a in arguments)
        if key not in self._recorded and not self.recording:
            return self._function(*arguments)
        if key not in self._recorded:
            self._recorded[key] = self._record(arguments, self._capture)
        recorded = self._recorded[key]
        for static, tensor in zip(recorded.inputs, _tensors(arguments), strict=True):
            static.copy_(tensor)
        recorded.graph.replay()
        return recorded.result.clone()

    def _record(self, arguments: tuple[Argument, ...], capture: Capture) -> _Recorded:
        static = [a.clone() if isinstance(a, Tensor) else a for a in arguments]
        graph, result = capture(lambda: self._function(*static))
        return _Recorded(inputs=_tensors(static), graph=graph, result=result)


def _tensors(arguments: tuple[Argument, ...] | list[Argument]) -> list[Tensor]:
    return [a for a in arguments if isinstance(a, Tensor)]


def load_in_place(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Does ``optimizer.load_state_dict(state)``, but leaves every tensor in its place in memory."""
    held = {p: dict(values) for p, values in optimizer.state.items()}
    settings = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, setting in zip(optimizer.param_groups, settings, strict=True):
        group.update(setting)
    for parameter, values in held.items():
        loaded = optimizer.state[parameter]
        for name, tensor in values.items():
            if name in loaded:
                tensor.copy_(loaded[name])
            else:
                tensor.zero_()  # saved before the first step
            loaded[name] = tensor
