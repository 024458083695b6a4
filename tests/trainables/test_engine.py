"""The epoch loop: same numbers however it is cut, and work counted as done."""

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.networks import weights
from trainables.consistency import engine as engine_module
from trainables.consistency.draws import EpochNoise, epoch_order
from trainables.consistency.engine import DistillationEngine
from trainables.consistency.fast import Tricks
from trainables.consistency.networks import TokenNet
from trainables.consistency.options import StageOptions
from trainables.consistency.params import DistillParams
from trainables.consistency.stage import load_teacher
from trainables.consistency.teacher import DistillationProblem, Split, new_operator


@pytest.fixture
def teacher(problem: DistillationProblem, tiny: dict[str, Any]) -> TokenNet:
    return load_teacher(problem, StageOptions.parse(tiny))


def engine_for(
    teacher: TokenNet, train: Split, *, num_epochs: int = 2, seed: int = 0, **params: int
) -> DistillationEngine:
    base = {"batch_size": 4, "micro_batch": 2, "num_taus": 3, "accum_steps": 1}
    distill = DistillParams(**(base | params))
    return DistillationEngine(copy.deepcopy(teacher), train, distill, seed=seed, num_epochs=num_epochs)


def gradients(engine: DistillationEngine) -> Tensor:
    return torch.cat([p.grad.flatten() for p in engine.student.parameters() if p.grad is not None])


def test_student_starts_as_the_teacher(problem: DistillationProblem, teacher: TokenNet) -> None:
    engine = engine_for(teacher, problem.splits["train"])
    for net in (engine.student, engine.evaluated):
        assert torch.equal(weights(net), weights(teacher))


WAYS: dict[str, dict[str, Any]] = {
    "naive": {"implementation": "naive"},
    "autograd": {"tricks": Tricks(by_hand=False)},
    "by hand": {"tricks": Tricks()},
}


@pytest.fixture
def in_float64(problem: DistillationProblem, tiny: dict[str, Any]) -> Any:
    """Engines of 36 training pairs, a multiple of 6 and of 12: both then draw the same."""
    options = StageOptions.parse(tiny)
    network = new_operator(options)
    network.load_state_dict(problem.operator)
    network.double().requires_grad_(False)
    u, u_next = (
        column[:36].double()
        for column in (problem.splits["train"].cond[..., 0], problem.splits["train"].u_next)
    )
    u_hat = network(u[..., None])
    residual = (u_next - u_hat) / problem.residual_std
    train = Split(cond=torch.stack([u, u_hat], dim=-1), residual=residual, u_next=u_next)

    def make(*, tricks: Tricks | None = None, **params: Any) -> DistillationEngine:
        return DistillationEngine(
            load_teacher(problem, options).double(),
            train,
            DistillParams(**({"num_taus": 3} | params)),
            seed=0,
            num_epochs=2,
            operator=lambda u: network(u[..., None]),
            residual_std=problem.residual_std,
            tricks=tricks,
        )

    return make


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("batch", "micro", "accum"), [(12, 2, 1), (6, 6, 2), (6, 3, 2)], ids=["within", "across", "both"]
)
def test_accumulated_gradient_equals_the_full_batch_gradient(
    in_float64: Any, way: str, batch: int, micro: int, accum: int
) -> None:
    """They agree to 1e-12: micro-batches of a batch of 12, and two batches of 6 in one optimizer step."""
    found = []
    for sizes in ((12, 12, 1), (batch, micro, accum)):
        names = ("batch_size", "micro_batch", "accum_steps")
        engine = in_float64(**dict(zip(names, sizes, strict=True)), **WAYS[way])
        part = engine.prepare(next(engine.draw(1)))
        assert part.z.dtype == torch.float64
        for first in range(0, 12, sizes[0]):
            for start in engine.chunk_starts(part, first):
                engine.backward_chunk(part, start)
        found.append(gradients(engine))
    assert found[0].dtype == torch.float64
    assert found[0].abs().max() > 0.01
    torch.testing.assert_close(found[1], found[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("way", ["autograd", "by hand"])
@pytest.mark.parametrize("accum", [1, 4])
def test_in_float64_fast_trains_as_naive_to_the_tenth_digit(in_float64: Any, way: str, accum: int) -> None:
    sizes = {"batch_size": 6, "micro_batch": 3, "accum_steps": accum}
    naive, fast = in_float64(**sizes, **WAYS["naive"]), in_float64(**sizes, **WAYS[way])
    for epoch in (1, 2):
        assert fast.train_epoch(epoch).loss == pytest.approx(naive.train_epoch(epoch).loss, rel=1e-10)
    torch.testing.assert_close(weights(fast.evaluated), weights(naive.evaluated), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("micro", [1, 4, 12])
def test_micro_batch_does_not_change_the_run(
    problem: DistillationProblem, teacher: TokenNet, micro: int
) -> None:
    """This is declared in ``quality_invariant_to``: the student is the same up to rounding."""
    train = problem.splits["train"]
    runs = []
    for size in (2, micro):
        engine = engine_for(teacher, train, batch_size=12, micro_batch=size, accum_steps=2)
        losses = [engine.train_epoch(epoch).loss for epoch in (1, 2)]
        runs.append((losses, weights(engine.evaluated)))
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-5)
    torch.testing.assert_close(runs[0][1], runs[1][1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["batch_size", "num_taus", "accum_steps"])
def test_every_other_parameter_does_change_the_run(
    problem: DistillationProblem, teacher: TokenNet, name: str
) -> None:
    """An engine that ignored a parameter would give the same student."""
    train = problem.splits["train"]
    base = engine_for(teacher, train)
    other = engine_for(teacher, train, **{name: {"batch_size": 8}.get(name, 2)})
    base.train_epoch(1)
    other.train_epoch(1)
    assert (weights(base.student) - weights(other.student)).abs().max() > 1e-4


@settings(max_examples=15)
@given(
    cut=st.sampled_from([(2, 1), (4, 2), (6, 1), (12, 2)]),
    taus=st.integers(1, 4),
    accum=st.integers(1, 5),
)
def test_counts_equal_the_guides_formulas(
    problem: DistillationProblem, tiny: dict[str, Any], cut: tuple[int, int], taus: int, accum: int
) -> None:
    """Launches, rows and optimizer steps of a whole run, counted where they happen."""
    batch, parts = cut
    net = load_teacher(problem, StageOptions.parse(tiny))
    engine = engine_for(
        net,
        problem.splits["train"],
        batch_size=batch,
        micro_batch=batch // parts,
        num_taus=taus,
        accum_steps=accum,
    )
    counts = [engine.train_epoch(epoch) for epoch in (1, 2)]
    iterations = math.floor(40 / batch + 0.5)
    assert [c.num_chunks for c in counts] == 2 * [iterations * parts]
    assert [c.num_sample_evals for c in counts] == 2 * [iterations * batch * taus]
    assert sum(c.num_optimizer_steps for c in counts) == math.ceil(2 * iterations / accum)


def test_accumulation_crosses_the_end_of_an_epoch_and_is_flushed_at_the_last(
    problem: DistillationProblem, teacher: TokenNet
) -> None:
    """10 batches an epoch, 4 to a step: 2 steps, then 3 (one shared), the last 2 in the flush."""
    train = problem.splits["train"]
    engine = engine_for(teacher, train, accum_steps=4, num_epochs=3)
    counts = [engine.train_epoch(epoch).num_optimizer_steps for epoch in (1, 2, 3)]
    assert counts == [2, 3, 3]
    assert not gradients(engine).any()


def test_data_order_visits_every_sample_before_any_twice() -> None:
    order = epoch_order(10, 24, seed=3, epoch=1)
    assert sorted(order[:10].tolist()) == sorted(order[10:20].tolist()) == list(range(10))
    assert len(set(order[20:].tolist())) == 4


def test_order_and_noise_depend_on_seed_and_epoch_alone() -> None:
    """Same seed and epoch: the same; another seed or epoch: other draws."""
    for draw in (
        lambda seed, epoch: epoch_order(50, 50, seed=seed, epoch=epoch),
        lambda seed, epoch: EpochNoise(seed=seed, epoch=epoch).positions(5, 2),
        lambda seed, epoch: EpochNoise(seed=seed, epoch=epoch).fields(5, 2, 16),
    ):
        assert torch.equal(draw(1, 2), draw(1, 2))
        assert not torch.equal(draw(1, 2), draw(2, 2))
        assert not torch.equal(draw(1, 2), draw(1, 1))


def test_averages_follow_the_student_by_their_rules(problem: DistillationProblem, teacher: TokenNet) -> None:
    """Two optimizer steps by hand: target .95; evaluation .1, then 2 / 11."""
    train = problem.splits["train"]
    engine = engine_for(teacher, train, batch_size=20, micro_batch=20, num_epochs=1)
    students = []
    step = engine.optimizer_step

    def spy() -> None:
        step()
        students.append(weights(engine.student))

    engine.optimizer_step = spy  # type: ignore[method-assign]
    engine.train_epoch(1)
    assert len(students) == 2
    target = evaluated = weights(teacher)
    for k, student in enumerate(students):
        target = 0.95 * target + 0.05 * student
        decay = (1 + k) / (10 + k)
        evaluated = decay * evaluated + (1 - decay) * student
    torch.testing.assert_close(weights(engine._impl.target), target, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(weights(engine.evaluated), evaluated, rtol=1e-5, atol=1e-7)


def test_the_optimizer_is_adam_with_the_specified_betas(
    problem: DistillationProblem, teacher: TokenNet
) -> None:
    """One step by hand from the gradient: sizes follow lr, and the moments .9 and .99."""
    train = problem.splits["train"]
    engine = engine_for(teacher, train, batch_size=40, micro_batch=40, num_epochs=1)
    engine.backward_chunk(engine.prepare(next(engine.draw(1))), 0)
    gradient = gradients(engine)
    engine.optimizer_step()
    state = engine._impl.optimizer.state_dict()["state"]
    first = torch.cat([s["exp_avg"].flatten() for s in state.values()])
    second = torch.cat([s["exp_avg_sq"].flatten() for s in state.values()])
    torch.testing.assert_close(first, 0.1 * gradient)
    torch.testing.assert_close(second, 0.01 * gradient**2)
    lr = 2.3e-3 * (40 / 6) / 20
    step = weights(engine.student) - weights(teacher)
    torch.testing.assert_close(step, -lr * gradient / (gradient.abs() + 1e-8), rtol=1e-3, atol=1e-6)


def test_learning_rate_reaches_the_optimizer(
    problem: DistillationProblem, teacher: TokenNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student stays where it was if the rate is zero."""
    monkeypatch.setattr(engine_module.schedules, "learning_rate", lambda *_, **__: 0.0)
    engine = engine_for(teacher, problem.splits["train"])
    engine.train_epoch(1)
    assert torch.equal(weights(engine.student), weights(teacher))


def test_warm_up_changes_no_weight_gradient_counter_or_random_state(
    problem: DistillationProblem, teacher: TokenNet
) -> None:
    engine = engine_for(teacher, problem.splits["train"])
    random_state = torch.get_rng_state()
    before = copy.deepcopy(engine.state_dict())
    engine.warm_up()
    after = engine.state_dict()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(g.any() for g in before["gradients"] + after["gradients"])
    for net in ("student", "target", "evaluated"):
        for name, value in before[net].items():
            assert torch.equal(value, after[net][name])
    assert after["num_steps"] == after["num_pending"] == 0


def test_the_teacher_is_never_trained(problem: DistillationProblem, teacher: TokenNet) -> None:
    train = problem.splits["train"]
    engine = engine_for(teacher, train)
    before = weights(engine._impl.teacher).clone()
    engine.train_epoch(1)
    assert torch.equal(weights(engine._impl.teacher), before)
