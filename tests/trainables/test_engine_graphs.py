"""Captured work on static memory computes what ordinary calls do.

On a CPU a stand-in takes the graph's place: it does the work again on the memory of the capture, so that
an input that is not copied in, a weight that has moved or a result that is overwritten shows as another loss.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.networks import weights
from trainables.base import MeasuredTrainable
from trainables.consistency import fast as fast_module
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.fast import Fast, Tricks
from trainables.consistency.graphs import Replayed, capture_for, out_of_memory_behind
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import ConsistencyStage, load_teacher
from trainables.consistency.teacher import DistillationProblem

BASE = {"batch_size": 6, "micro_batch": 3, "num_taus": 3}
BY_AUTOGRAD = Tricks(by_hand=False)


class Eager:
    """Does work again where a graph would replay it; counts."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Any, Tensor]:
        self.captures += 1
        counter = self
        result = work()

        class Graph:
            def replay(self) -> None:
                counter.replays += 1
                result.copy_(work())

        return Graph(), result


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Eager:
    """Engines made after this capture with it."""
    capture = Eager()
    monkeypatch.setattr(fast_module, "capture_for", lambda _: capture)
    return capture


@pytest.fixture
def make(problem: DistillationProblem, tiny: dict[str, Any]) -> Any:
    """Engines of the tiny problem, through autograd."""

    def make(*, device: str = "cpu", tricks: Tricks = BY_AUTOGRAD, **params: Any) -> DistillationEngine:
        return DistillationEngine(
            load_teacher(problem, StageOptions.parse(tiny)).to(device),
            problem.splits["train"].to(device),
            DistillParams.parse(BASE | params, num_samples=40),
            seed=0,
            num_epochs=2,
            tricks=tricks,
        )

    return make


def losses(engine: DistillationEngine) -> list[float]:
    engine.warm_up()
    return [engine.train_epoch(epoch).loss for epoch in (1, 2)]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"micro_batch": 6, "accum_steps": 2},
        {"accum_steps": 4, "drop_last": False, "tau_schedule": "3,2"},
        {"ema_unit": "sample", "batch_size": 12, "precision": "bf16"},
    ],
)
def test_training_on_static_memory_is_ordinary_training(
    make: Any, eager: Eager, more: dict[str, Any]
) -> None:
    """Losses and all three networks; the rate alone is rounded to float32."""
    captured = make(**more)
    found = losses(captured)
    assert eager.replays > 0
    ordinary = make(tricks=Tricks(by_hand=False, graphs=False), **more)
    assert found == pytest.approx(losses(ordinary), rel=1e-5)
    for net in ("student", "target", "evaluated"):
        a, b = (weights(getattr(e._impl, net)) for e in (captured, ordinary))
        torch.testing.assert_close(a, b, rtol=1e-3, atol=2e-5)


def test_every_launch_of_a_full_batch_is_a_replay(make: Any, eager: Eager) -> None:
    """7 batches: 14 chunks, 7 target passes, 7 optimizer steps; nothing is captured while training."""
    engine = make()
    engine.warm_up()
    assert eager.captures == 3
    eager.replays = 0
    engine.train_epoch(1)
    assert (eager.captures, eager.replays) == (3, 14 + 7 + 7)


def test_a_ragged_batch_is_called_not_replayed(make: Any, eager: Eager) -> None:
    """6 full batches and one of 4 samples, whose chunks of 3 and 1 weigh other than a full batch's."""
    engine = make(drop_last=False)
    engine.warm_up()
    eager.replays = 0
    engine.train_epoch(1)
    assert (eager.captures, eager.replays) == (3, 12 + 6 + 7)


def test_every_number_of_levels_of_a_schedule_is_captured_in_the_warm_up(make: Any, eager: Eager) -> None:
    engine = make(tau_schedule="3,2")
    engine.warm_up()
    assert eager.captures == 2 + 2 + 1
    engine.train_epoch(1)
    engine.train_epoch(2)
    assert eager.captures == 5


@pytest.mark.usefixtures("eager")
def test_capturing_changes_no_weight_and_leaves_a_fresh_optimizer(make: Any) -> None:
    engine = make()
    before = copy.deepcopy(engine.state_dict())
    for _ in range(3):
        engine.warm_up()
    after = engine.state_dict()
    for net in ("student", "target", "evaluated"):
        assert all(torch.equal(value, after[net][name]) for name, value in before[net].items())
    assert not any(g.any() for g in after["gradients"])
    assert not any(value.any() for value in after["optimizer"]["state"][0].values())


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("after_epoch", [0, 1])
def test_a_resumed_run_goes_on_in_the_captured_memory(make: Any, after_epoch: int) -> None:
    """Bitwise, with gradients pending, into an engine whose graphs were captured before it was loaded."""
    whole, first, second = (make(accum_steps=4) for _ in range(3))
    expected = losses(whole)
    first.warm_up()
    found = [first.train_epoch(epoch).loss for epoch in range(1, after_epoch + 1)]
    losses(second)  # another history, to be forgotten
    state = second._impl.optimizer.state[second._impl._weights]
    places = {name: value.data_ptr() for name, value in state.items()}
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    found += [second.train_epoch(epoch).loss for epoch in range(after_epoch + 1, 3)]
    assert found == expected
    assert torch.equal(weights(second.evaluated), weights(whole.evaluated))
    state = second._impl.optimizer.state[second._impl._weights]
    assert {name: value.data_ptr() for name, value in state.items()} == places
    assert second._impl.optimizer.param_groups[0]["lr"] is second._impl._lr


def test_a_captured_run_continues_a_checkpoint_of_an_ordinary_one(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens when a trial moves from a CPU to a card; also with one saved before its first step."""
    for epochs in (0, 1):
        ordinary = make()
        for epoch in range(1, epochs + 1):
            ordinary.train_epoch(epoch)
        with monkeypatch.context() as patch:
            patch.setattr(fast_module, "capture_for", lambda _: Eager())
            captured = make()
        losses(captured)
        captured.load_state_dict(copy.deepcopy(ordinary.state_dict()))
        expected = ordinary.train_epoch(epochs + 1).loss
        assert captured.train_epoch(epochs + 1).loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("tricks", [Tricks(graphs=False), Tricks(flat=False), Tricks(ahead=False)])
def test_without_its_tricks_nothing_is_captured(make: Any, eager: Eager, tricks: Tricks) -> None:
    engine = make(tricks=tricks)
    engine.warm_up()
    engine.train_epoch(1)
    assert eager.captures == 0


def test_compiled_work_is_not_captured(make: Any, eager: Eager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda f, **_: f)
    make(compile=True).warm_up()
    assert eager.captures == 0


def test_a_cpu_captures_nothing() -> None:
    assert capture_for(torch.device("cpu")) is None


def test_a_result_is_not_overwritten_by_the_next_replay(eager: Eager) -> None:
    double = Replayed(lambda x, factor: factor * x, eager)
    double.recording = True
    first = double(torch.ones(2), 2.0)
    double.recording = False
    second = double(torch.full((2,), 5.0), 2.0)
    assert (first.tolist(), second.tolist()) == ([2.0, 2.0], [10.0, 10.0])
    assert eager.replays == 2
    for other in (torch.ones(3), torch.ones(2, dtype=torch.float64)):
        assert torch.equal(double(other, 2.0), 2.0 * other)
    assert torch.equal(double(torch.ones(2), 3.0), torch.full((2,), 3.0))
    assert eager.replays == 2, "a graph of other shapes, types or numbers was replayed"


def test_running_out_of_memory_is_found_behind_the_error_that_ends_a_capture() -> None:
    lack = torch.OutOfMemoryError("CUDA out of memory")
    ending = RuntimeError("operation failed due to a previous error during capture")
    ending.__context__ = lack
    assert out_of_memory_behind(ending) is lack
    assert out_of_memory_behind(lack) is lack
    assert out_of_memory_behind(RuntimeError("illegal access")) is None


def test_running_out_of_memory_while_capturing_is_data(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    monkeypatch.setattr(fast_module, "capture_for", lambda _: fail)
    stage: MeasuredTrainable = ConsistencyStage(config=trial(precision="bf16"))
    assert stage.train()["status"] == "oom"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "more", [{}, {"accum_steps": 4, "drop_last": False}, {"precision": "tf32"}, {"precision": "bf16"}]
)
def test_graphs_on_a_card_give_the_losses_of_ordinary_calls(make: Any, more: dict[str, Any]) -> None:
    captured = make(device="cuda", **more)
    ordinary = make(device="cuda", tricks=Tricks(graphs=False), **more)
    assert losses(captured) == pytest.approx(losses(ordinary), rel=1e-4)
    assert isinstance(captured._impl, Fast)
    assert captured._impl._chunk_gradient._recorded
    assert captured._impl._apply._recorded


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_run_resumed_on_a_card_goes_on_as_the_whole_one(make: Any) -> None:
    whole, first, second = (make(device="cuda", accum_steps=4) for _ in range(3))
    expected = losses(whole)
    first.warm_up()
    found = [first.train_epoch(1).loss]
    second.warm_up()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    found.append(second.train_epoch(2).loss)
    assert found == pytest.approx(expected, rel=1e-5)
