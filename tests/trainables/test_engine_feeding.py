"""An epoch comes to the device part by part; how it is cut, and where the data are, changes nothing."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.networks import weights
from trainables.consistency import feeding
from trainables.consistency.draws import EpochNoise
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.feeding import batches_per_part, stays_on_host
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import ConsistencyStage, load_operator, load_teacher
from trainables.consistency.teacher import DistillationProblem

BASE = {"batch_size": 6, "micro_batch": 3, "num_taus": 3}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.fixture
def make(problem: DistillationProblem, tiny: dict[str, Any]) -> Any:
    """Engines of the tiny problem; 40 samples, 16 points."""
    options = StageOptions.parse(tiny)

    def make(*, device: str = "cpu", data: str = "cpu", **params: Any) -> DistillationEngine:
        return DistillationEngine(
            load_teacher(problem, options).to(device),
            problem.splits["train"].to(data),
            DistillParams.parse(BASE | params, num_samples=40),
            seed=0,
            num_epochs=2,
            operator=load_operator(problem, options, device),
            residual_std=problem.residual_std,
        )

    return make


def drawn(engine: DistillationEngine) -> dict[str, Tensor]:
    """A whole epoch, put together from its parts."""
    parts = list(engine.draw(1))
    columns = {name: torch.cat([p.rows[name] for p in parts]) for name in parts[0].rows}
    return columns | {name: torch.cat([getattr(p, name) for p in parts]) for name in ("z", "s1", "s0")}


@given(cut=st.lists(st.integers(1, 7), min_size=1, max_size=8), points=st.sampled_from([16, 64, 1024]))
def test_the_noise_of_an_epoch_does_not_depend_on_how_it_is_cut(cut: list[int], points: int) -> None:
    whole, pieces = EpochNoise(seed=1, epoch=2), EpochNoise(seed=1, epoch=2)
    assert torch.equal(whole.positions(9, 3), pieces.positions(9, 3))
    expected = whole.fields(sum(cut), 3, points)
    assert torch.equal(torch.cat([pieces.fields(n, 3, points) for n in cut]), expected)


def test_noise_whose_stream_would_depend_on_the_cut_is_refused() -> None:
    with pytest.raises(AssertionError, match="depend on how it is cut"):
        EpochNoise(seed=0, epoch=1).fields(2, 1, 24)


@pytest.mark.parametrize("tau_strategy", ["stratified", "shared"])
@pytest.mark.parametrize("implementation", ["fast", "naive"])
def test_an_epoch_in_parts_is_bitwise_the_epoch_in_one(
    make: Any, monkeypatch: pytest.MonkeyPatch, implementation: str, tau_strategy: str
) -> None:
    """Draws exactly, losses up to the rounding of passes with fewer rows."""
    params = {"implementation": implementation, "tau_strategy": tau_strategy, "accum_steps": 4}
    whole = make(**params)
    expected = drawn(whole)
    losses = [whole.train_epoch(epoch).loss for epoch in (1, 2)]
    monkeypatch.setattr(feeding, "PART_VALUES", 2 * 6 * 3 * 16)  # two batches
    cut = make(**params)
    assert [len(p.s1) for p in cut.draw(1)] == [12, 12, 12, 6]
    assert all(torch.equal(value, expected[name]) for name, value in drawn(cut).items())
    assert [cut.train_epoch(epoch).loss for epoch in (1, 2)] == pytest.approx(losses, rel=1e-6)
    torch.testing.assert_close(weights(cut.evaluated), weights(whole.evaluated), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("change", [{"micro_batch": 2}, {"micro_batch": 6}, {"implementation": "naive"}])
def test_noise_does_not_depend_on_what_the_stage_declares(make: Any, change: dict[str, Any]) -> None:
    expected, found = drawn(make()), drawn(make(**change))
    for name in ("cond", "z", "s1", "s0"):
        assert torch.equal(found[name], expected[name])


def test_a_part_holds_whole_batches_and_little_noise() -> None:
    """At full size a part is one batch or a few, never an epoch's .7 GB. Burgers' whole epoch is one part."""
    assert batches_per_part(6, 5, 128**2) == 8
    assert batches_per_part(64, 7, 128**2) == 1
    assert batches_per_part(6, 5, 64) * 6 > 2000


@pytest.mark.parametrize(
    ("data_device", "num_bytes", "expected"),
    [("auto", 24, False), ("auto", 26, True), ("device", 99, False), ("host", 1, True)],
)
def test_data_stay_on_the_host_when_told_or_when_they_need_over_a_quarter(
    data_device: str, num_bytes: int, expected: bool
) -> None:
    assert stays_on_host(data_device, num_bytes, 100) is expected


def test_where_the_data_are_is_no_property_of_the_problem(
    tiny: dict[str, Any], trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cached problem is found again, and the run is bitwise the same."""
    expected = ConsistencyStage(config=trial()).train()["nrmse"]
    monkeypatch.setattr("trainables.consistency.teacher.make_problem", lambda *_: pytest.fail("made again"))
    config = trial()
    config["stage"] = tiny | {"data_device": "host"}
    assert ConsistencyStage(config=config).train()["nrmse"] == expected


def test_waiting_for_data_is_measured_and_part_of_training(trial: Any) -> None:
    results = [stage.train() for stage in [ConsistencyStage(config=trial())] for _ in range(2)]
    assert 0.0 < results[0]["data_wait_s"] < results[0]["time_s"]
    assert results[0]["data_wait_s"] < results[1]["data_wait_s"] < results[1]["time_s"]


def test_only_drawing_and_bringing_a_part_counts_as_waiting(make: Any) -> None:
    """Once for every part and once to find the end; the teacher's passes are training."""
    engine, events = make(), []
    draw, prepare = engine.draw, engine.prepare

    class Wait:
        def __enter__(self) -> None:
            events.append("wait")

        def __exit__(self, *_: object) -> None:
            events.append("done")

    def traced(epoch: int) -> Any:
        for part in draw(epoch):
            events.append("drawn")
            yield part

    engine.draw = traced
    engine.prepare = lambda part: (events.append("prepare"), prepare(part))[1]
    engine.train_epoch(1, data_wait=Wait)
    assert events == ["wait", "drawn", "done", "prepare", "wait", "done"]


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("implementation", ["fast", "naive"])
def test_streamed_training_on_a_card_is_bitwise_resident_training(
    make: Any, monkeypatch: pytest.MonkeyPatch, implementation: str
) -> None:
    """Data come from pinned memory on a stream of its own, in four parts an epoch."""
    monkeypatch.setattr(feeding, "PART_VALUES", 2 * 6 * 3 * 16)
    found = []
    for data in ("cuda", "cpu"):
        engine = make(device="cuda", data=data, implementation=implementation)
        engine.warm_up()
        found.append([engine.train_epoch(epoch).loss for epoch in (1, 2)])
    assert found[0] == found[1]


@pytest.mark.gpu
@needs_cuda
def test_a_streamed_trial_runs_on_a_card(trial: Any) -> None:
    config = trial(num_epochs=2)
    nrmses = []
    for data_device in ("device", "host"):
        run = copy.deepcopy(config)
        run["stage"] |= {"device": "cuda", "data_device": data_device}
        stage = ConsistencyStage(config=run)
        nrmses.append([stage.train()["nrmse"] for _ in range(2)])
        assert (stage._engine._feed._columns["cond"].device.type == "cpu") is (data_device == "host")
        stage.stop()
    assert nrmses[0] == nrmses[1]
