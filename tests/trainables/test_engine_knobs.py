"""Fast equals naive; every knob does what it says, and one that were ignored would be noticed."""

import copy
import functools
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.trainables.networks import weights
from trainables.consistency import engine as engine_module
from trainables.consistency import schedules
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.fast import Fast, Tricks
from trainables.consistency.loss import loss_to_target
from trainables.consistency.networks import TokenNet, consistency_function, teacher_denoise
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.precision import arithmetic
from trainables.consistency.stage import ConsistencyStage, load_operator, load_teacher
from trainables.consistency.teacher import DistillationProblem
from trainables.consistency.tokennet_gradient import Kernel, denoiser_inputs, inputs_of

BASE = {"batch_size": 6, "micro_batch": 3, "num_taus": 3}
TRICKS = [
    Tricks(flat=False, ahead=False, by_hand=False),
    Tricks(ahead=False, by_hand=False),
    Tricks(by_hand=False),
    Tricks(),
]


@pytest.fixture
def make(problem: DistillationProblem, tiny: dict[str, Any]) -> Any:
    """Engines of the tiny problem."""
    options = StageOptions.parse(tiny)

    def make(*, num_epochs: int = 2, tricks: Tricks | None = None, **params: Any) -> DistillationEngine:
        parsed = DistillParams.parse(BASE | params, num_samples=40)
        return DistillationEngine(
            load_teacher(problem, options),
            problem.splits["train"],
            parsed,
            seed=0,
            num_epochs=num_epochs,
            operator=load_operator(problem, options, "cpu"),
            residual_std=problem.residual_std,
            tricks=tricks,
        )

    return make


@pytest.mark.parametrize("tricks", TRICKS, ids=["vectorised", "flat", "ahead", "by hand"])
@pytest.mark.parametrize("more", [{}, {"accum_steps": 4, "drop_last": False, "tau_schedule": "3,2"}])
def test_every_trick_computes_what_naive_does(make: Any, tricks: Tricks, more: dict[str, Any]) -> None:
    """The same losses of every epoch, and the same networks, to numerical precision."""
    naive, fast = make(implementation="naive", **more), make(tricks=tricks, **more)
    for epoch in (1, 2):
        expected, found = naive.train_epoch(epoch), fast.train_epoch(epoch)
        assert found.loss == pytest.approx(expected.loss, rel=1e-5)
        assert found.num_sample_evals == expected.num_sample_evals
    torch.testing.assert_close(weights(fast.evaluated), weights(naive.evaluated), rtol=1e-3, atol=2e-5)
    torch.testing.assert_close(weights(fast._impl.target), weights(naive._impl.target), rtol=1e-3, atol=2e-5)


def test_stage_declares_what_its_nrmse_does_not_depend_on(trial: Any) -> None:
    assert ConsistencyStage.quality_invariant_to == ("micro_batch", "implementation")
    found = []
    for change in ({}, {"micro_batch": 4}, {"implementation": "naive"}):
        stage = ConsistencyStage(config=trial(num_epochs=2, **change))
        found.append([stage.train()["nrmse"] for _ in range(2)])
        stage.stop()
    assert found[1] == pytest.approx(found[0], rel=1e-5)
    assert found[2] == pytest.approx(found[0], rel=1e-5)


@pytest.mark.parametrize("tricks", TRICKS[1:])
def test_resumed_gradients_and_averages_stay_in_their_memory(make: Any, tricks: Tricks) -> None:
    """Bitwise, with gradients pending; a flat view that came loose would stop learning."""
    whole, first, second = (make(tricks=tricks, accum_steps=4) for _ in range(3))
    expected = [whole.train_epoch(e).loss for e in (1, 2)]
    losses = [first.train_epoch(1).loss]
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    losses.append(second.train_epoch(2).loss)
    assert losses == expected
    assert torch.equal(weights(second.evaluated), weights(whole.evaluated))


def test_hand_written_gradient_is_autograds_in_float64() -> None:
    net = TokenNet(channels=3, width=8, depth=4, with_sigma=True).double()
    torch.nn.init.normal_(net.head.weight)
    x, y = torch.randn(2, 5, 32, dtype=torch.float64)
    s = torch.rand(5, dtype=torch.float64) + 0.1
    cond = torch.randn(5, 32, 2, dtype=torch.float64)
    loss = 0.3 * loss_to_target(net, x, s, cond, y)
    expected = torch.autograd.grad(loss, list(net.parameters()))
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    inputs, kernel = inputs_of(net, x, s, cond), Kernel(net)
    found = kernel.add_gradient(inputs, y.view(5, 8, 4).transpose(0, 1), 0.3)
    torch.testing.assert_close(found, loss.detach(), rtol=1e-12, atol=0.0)
    for p, gradient in zip(net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient + 1.0, rtol=1e-10, atol=1e-10)
    f = consistency_function(net, x, s, cond).detach()
    torch.testing.assert_close(kernel.values(inputs, 2), f, rtol=1e-11, atol=1e-11)
    d = teacher_denoise(net, x, s, cond).detach()
    torch.testing.assert_close(kernel.values(denoiser_inputs(inputs, x, s), 2), d, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    "change",
    [
        {"tau_strategy": "shared"},
        {"tau_strategy": "random"},
        {"tau_schedule": "2,3"},
        {"lr_scaling": "sqrt", "batch_size": 12},
        {"lr_scaling": "none", "batch_size": 12},
        {"ema_unit": "sample", "batch_size": 12},
        {"drop_last": True, "batch_size": 24, "accum_steps": 1},
        {"drop_last": False},
        {"precision": "bf16"},
    ],
)
def test_every_knob_changes_the_run(make: Any, change: dict[str, Any]) -> None:
    reference = {k: v for k, v in change.items() if k in ("batch_size", "accum_steps")}
    runs = [make(**p) for p in (reference, change)]
    for engine in runs:
        engine.train_epoch(1)
        engine.train_epoch(2)
    assert (weights(runs[0].evaluated) - weights(runs[1].evaluated)).abs().max() > 1e-6


def test_shared_levels_are_those_of_the_batch_and_random_ones_need_not_be_stratified() -> None:
    v = torch.rand(12, 4, generator=torch.Generator().manual_seed(0))
    shared = schedules.levels(v, strategy="shared", batch_size=6)
    assert torch.equal(shared[:6], shared[:1].expand(6, 4))
    assert not torch.equal(shared[0], shared[6])
    assert torch.equal((4 * shared).floor(), torch.arange(4.0).expand(12, 4))
    assert torch.equal(schedules.levels(v, strategy="random", batch_size=6), v)


def test_learning_rate_scales_by_its_rule() -> None:
    rates = [
        schedules.learning_rate(50, total_steps=100, effective_batch_size=24, scaling=rule)
        for rule in ("none", "sqrt", "linear")
    ]
    assert rates == pytest.approx([2.3e-3 * 0.5 * k for k in (1, 2, 4)])


def test_averages_in_samples_forget_as_many_small_steps_do() -> None:
    for unit in ("step", "sample"):
        assert schedules.averaging_decays(7, effective_batch_size=6, unit=unit) == (0.95, 8 / 17)
    target, evaluated = schedules.averaging_decays(5000, effective_batch_size=24, unit="sample")
    assert (target, evaluated) == pytest.approx((0.95**4, 0.99**4))


@pytest.mark.parametrize(
    ("drop_last", "chunks", "rows", "steps"), [(None, 14, 126, 7), (True, 12, 108, 6), (False, 14, 120, 7)]
)
def test_last_batch_is_filled_dropped_or_ragged_and_reported_as_done(
    make: Any, drop_last: bool | None, chunks: int, rows: int, steps: int
) -> None:
    """40 samples in batches of 6: 7 whole ones, 6 whole ones, or 6 and one of 4 samples."""
    counts = make(num_epochs=1, drop_last=drop_last).train_epoch(1)
    assert (counts.num_chunks, counts.num_sample_evals, counts.num_optimizer_steps) == (chunks, rows, steps)


def test_a_tau_schedule_counts_epoch_by_epoch_and_its_last_holds(make: Any) -> None:
    engine = make(num_epochs=4, tau_schedule=[3, 2], drop_last=True)
    assert [engine.train_epoch(e).num_sample_evals for e in (1, 2, 3, 4)] == [108, 72, 72, 72]


def switches() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def switch(matmul: bool, convolutions: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = matmul
    torch.backends.cudnn.allow_tf32 = convolutions


@pytest.fixture
def _switches_kept() -> Iterator[None]:
    before = switches()
    yield
    switch(*before)


@pytest.mark.usefixtures("_switches_kept")
@pytest.mark.parametrize("outside", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_tf32_is_on_for_products_and_convolutions_exactly_when_asked_for(
    precision: str, outside: tuple[bool, bool]
) -> None:
    """The process's settings do not matter, nor does an error in the body; torch leaves convolutions on."""

    def fail() -> None:
        with arithmetic(precision, "cpu"):
            assert switches() == ((True, True) if precision == "tf32" else (False, False))
            raise MemoryError

    switch(*outside)
    with pytest.raises(MemoryError):
        fail()
    assert switches() == outside


def test_bf16_is_autocast_without_a_cache_of_weights() -> None:
    """A captured graph would go on using the cast of weights that have moved since."""
    with arithmetic("bf16", "cpu"):
        assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == torch.bfloat16
        assert not torch.is_autocast_cache_enabled()
    assert not torch.is_autocast_enabled("cpu")
    assert torch.is_autocast_cache_enabled()


@pytest.mark.usefixtures("_switches_kept")
def test_a_trial_trains_and_evaluates_without_tf32_and_leaves_the_switches(
    trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs at fp32, in a process where both are on; the next trial finds them as they were."""
    switch(True, True)
    stage, seen = ConsistencyStage(config=trial()), set()
    for network in (stage._engine.student, stage._engine.evaluated):
        network.register_forward_hook(lambda *_: seen.add(switches()))
    monkeypatch.setattr(stage._engine._impl, "add_gradient", spied(stage._engine._impl.add_gradient, seen))
    stage.train()
    assert seen == {(False, False)}
    assert switches() == (True, True)


def spied(function: Any, seen: set[tuple[bool, bool]]) -> Any:
    def spy(*arguments: Any) -> Any:
        seen.add(switches())
        return function(*arguments)

    return spy


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_chunks_and_drawing_run_in_the_chosen_precision(
    make: Any, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    seen: list[str] = []

    def spy(chosen: str, device: str) -> Any:
        seen.append(chosen)
        return arithmetic(chosen, device)

    monkeypatch.setattr(engine_module, "arithmetic", spy)
    engine = make(precision=precision)
    engine.backward_chunk(engine.prepare(next(engine.draw(1))), 0)
    assert seen == [precision, precision]


def test_compile_compiles_the_loss(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda f, **_: compiled.append(f) or f)
    make()
    assert compiled == []
    engine = make(compile=True)
    assert compiled == [loss_to_target]
    assert isinstance(engine._impl, Fast)
    assert engine.train_epoch(1).loss == pytest.approx(make().train_epoch(1).loss, rel=1e-5)


def test_a_loss_that_is_really_traced_trains_as_an_ordinary_one(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dynamo and AOT autograd for real; without their compiler, which takes half a minute."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    traced = make(compile=True)
    traced.warm_up()
    expected = [make().train_epoch(1).loss, make(tricks=Tricks(by_hand=False)).train_epoch(1).loss]
    assert [traced.train_epoch(1).loss] * 2 == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"implementation": "slow"}, "implementation='slow' is unknown. Fix: use one of fast, naive"),
        ({"precision": "fp8"}, "precision='fp8' is unknown"),
        ({"tau_strategy": 3}, "tau_strategy=3 is unknown"),
        ({"lr_scaling": "log"}, "lr_scaling='log' is unknown"),
        ({"ema_unit": "epoch"}, "ema_unit='epoch' is unknown"),
        ({"compile": 1}, "compile=1 is not true or false"),
        ({"drop_last": "yes"}, "drop_last='yes' is not true or false"),
        ({"tau_schedule": "5,x"}, "tau_schedule='5,x' is not a list of whole numbers"),
        ({"tau_schedule": [0]}, "is not a list of whole numbers"),
        ({"tau_schedule": "5,4"}, "does not have num_taus=3 as its largest. Fix: num_taus: 5"),
        ({"implementation": "naive", "compile": True}, "implementation='naive' does not support compile"),
    ],
)
def test_knobs_that_make_no_sense_are_refused_with_a_fix(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillParams.parse(BASE | raw, num_samples=40)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_fast_on_a_card_gives_the_losses_of_the_cpu(
    make: Any, problem: DistillationProblem, precision: str
) -> None:
    on_cpu = make().train_epoch(1)
    cpu = make()
    engine = DistillationEngine(
        copy.deepcopy(cpu._impl.teacher).cuda(),
        problem.splits["train"].to("cuda"),
        DistillParams.parse(BASE | {"precision": precision}, num_samples=40),
        seed=0,
        num_epochs=2,
    )
    tolerance = {"fp32": 1e-3, "tf32": 2e-2, "bf16": 5e-2}[precision]
    assert engine.train_epoch(1).loss == pytest.approx(on_cpu.loss, rel=tolerance)
