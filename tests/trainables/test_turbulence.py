"""The 2-D problem: its solver against closed forms, its network, and a whole trial at 32 x 32."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.consistency import data, networks, teacher, turbulence
from trainables.consistency.evaluation import nrmse
from trainables.consistency.networks import GridNet, consistency_function
from trainables.consistency.options import StageOptions
from trainables.consistency.row_cost import counted_cost, row_cost, saved_bytes
from trainables.consistency.stage import ConsistencyStage, load_problem

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def axes(points: int) -> tuple[Tensor, Tensor]:
    x = torch.arange(points, dtype=torch.float64) * (2.0 * math.pi / points)
    return x[:, None], x[None, :]


def random_fields(num: int, points: int, seed: int = 0) -> Tensor:
    return turbulence.initial_conditions(num, points, np.random.default_rng(seed))


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def test_taylor_green_vortices_decay_as_their_closed_form() -> None:
    """The field w = 2 k cos(k x) cos(k y) exp(-2 nu k^2 t) solves the equation exactly."""
    (x, y), k, nu = axes(32), 2, 0.05
    start = 2.0 * k * torch.cos(k * x) * torch.cos(k * y)
    frames = turbulence.solve(start[None], num_frames=4, frame_interval=0.5, viscosity=nu)
    for i in range(4):
        exact = start * math.exp(-2.0 * nu * k * k * 0.5 * i)
        torch.testing.assert_close(frames[0, i], exact, rtol=0.0, atol=1e-12)


def test_a_shear_carries_a_vortex_as_the_equation_says() -> None:
    """The nonlinear term, signs included: dw/dt at t = 0, written out by hand, without viscosity."""
    x, y = axes(64)
    shear = 1.5 * torch.cos(y) + 0.0 * x
    weak = 1e-6 * torch.cos(3.0 * x) + 0.0 * y
    step = 1e-4
    frames = turbulence.solve((shear + weak)[None], num_frames=2, frame_interval=step, viscosity=0.0)
    found = (frames[0, 1] - frames[0, 0]) / step
    # v_x = psi_y with psi = w: shear gives v_x = -1.5 sin y; the vortex v_y = -psi_x = (1e-6 / 3) sin 3x.
    advected = -(-1.5 * torch.sin(y)) * (-3e-6 * torch.sin(3.0 * x))
    lifted = -(1e-6 / 3.0 * torch.sin(3.0 * x)) * (-1.5 * torch.sin(y))
    torch.testing.assert_close(found, advected + lifted, rtol=0.0, atol=1e-9)


def test_energy_and_enstrophy_fall_and_without_viscosity_stay() -> None:
    start = random_fields(3, 64)
    torch.testing.assert_close(turbulence.energy(start), torch.full((3,), 0.5, dtype=torch.float64))
    frames = turbulence.solve(start, num_frames=4, frame_interval=0.1)
    for quantity in (turbulence.energy, turbulence.enstrophy):
        assert bool((quantity(frames).diff(dim=1) < 0.0).all())
    ideal = turbulence.solve(start, num_frames=2, frame_interval=0.1, viscosity=0.0)
    for quantity in (turbulence.energy, turbulence.enstrophy):
        torch.testing.assert_close(quantity(ideal[:, 1]), quantity(ideal[:, 0]), rtol=1e-4, atol=0.0)


def test_energy_falls_at_the_rate_of_its_budget() -> None:
    """d<|v|^2 / 2>/dt = -2 nu <w^2 / 2>."""
    start, step = random_fields(2, 64), 1e-3
    frames = turbulence.solve(start, num_frames=3, frame_interval=step)
    rate = (turbulence.energy(frames[:, 2]) - turbulence.energy(frames[:, 0])) / (2.0 * step)
    budget = -2.0 * turbulence.VISCOSITY * turbulence.enstrophy(frames[:, 1])
    torch.testing.assert_close(rate, budget, rtol=1e-4, atol=0.0)


def test_solver_is_fourth_order_in_time() -> None:
    start = random_fields(2, 32)

    def final(steps: int) -> Tensor:
        return turbulence.solve(start, num_frames=2, frame_interval=0.2, time_step=0.2 / steps)[:, -1]

    exact = final(160)
    assert 10.0 < relative(final(5), exact) / relative(final(10), exact) < 24.0


def test_solution_converges_with_the_grid() -> None:
    """96 points differ from 192 by under 2 % after 0.6 units of time; 32 do by far more."""
    fine, middle, coarse = (
        turbulence.solve(random_fields(1, m), num_frames=2, frame_interval=0.6)[:, -1] for m in (192, 96, 32)
    )
    assert relative(middle, fine[..., ::2, ::2]) < 0.02
    assert relative(coarse, fine[..., ::6, ::6]) > 0.05


def test_initial_fields_are_the_same_functions_on_every_grid() -> None:
    torch.testing.assert_close(random_fields(2, 64), random_fields(2, 128)[:, ::2, ::2])


def test_chunked_solving_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    start = random_fields(3, 32)
    whole = turbulence.solve(start, num_frames=2, frame_interval=0.1)
    monkeypatch.setattr(turbulence, "_CHUNK_POINTS", 1)
    torch.testing.assert_close(turbulence.solve(start, num_frames=2, frame_interval=0.1), whole)


def grid_net(seed: int = 0) -> GridNet:
    """A float64 network whose zero layers are filled."""
    torch.manual_seed(seed)
    net = GridNet(channels=3, width=6, depth=5, with_sigma=True).double()
    torch.nn.init.normal_(net.head.weight, std=0.3)
    return net


def test_grid_network_starts_at_zero_and_is_told_the_noise_level() -> None:
    x = torch.randn(2, 256, 3, dtype=torch.float64)
    sigma = torch.ones(2, dtype=torch.float64)
    fresh = GridNet(channels=3, width=6, depth=2, with_sigma=True).double()
    assert fresh(x, sigma).abs().max() == 0.0
    assert (grid_net()(x, sigma) - grid_net()(x, 2 * sigma)).abs().max() > 1e-4


def test_grid_network_commutes_with_every_shift() -> None:
    """This holds for either axis: points are in place after flattening, and the domain is periodic."""
    net, x = grid_net(), torch.randn(2, 16, 16, 3, dtype=torch.float64)
    sigma = torch.ones(2, dtype=torch.float64)
    expected = net(x.flatten(1, 2), sigma).view(2, 16, 16).roll((3, 5), (1, 2))
    found = net(x.roll((3, 5), (1, 2)).flatten(1, 2), sigma).view(2, 16, 16)
    torch.testing.assert_close(found, expected)


def test_the_boundary_condition_holds_on_a_grid() -> None:
    x, cond = torch.randn(3, 256), torch.randn(3, 256, 2)
    assert torch.equal(consistency_function(grid_net().float(), x, torch.full((3,), 0.02), cond), x)


def test_learning_rates_are_scaled_by_fan_in_and_depth() -> None:
    """Stored weights times the scale are an ordinary linear layer's."""
    net = GridNet(channels=3, width=64, depth=16, with_sigma=True)
    block = net.blocks[0]
    assert isinstance(block, networks.ScaledLinear)
    assert (block.scale, net.branch) == (96 / 320, 0.5)
    used = block.scale * block.weight.detach()
    assert float(used.abs().max()) == pytest.approx(320**-0.5, rel=1e-2)
    h = torch.randn(2, 3, 4, 320)
    torch.testing.assert_close(block(h), torch.nn.functional.linear(h, used, block.bias))


def test_a_block_sees_the_four_neighbours_of_its_distance() -> None:
    points = torch.arange(25.0).reshape(1, 5, 5, 1)
    found = networks.gather_cross(points, 2)[0, 1, 4]
    assert sorted(found.tolist()) == sorted([9.0, 7.0, 6.0, 24.0, 19.0])


def test_training_batches_are_rolled_along_both_axes() -> None:
    fields = torch.arange(64.0).reshape(1, 64, 1)
    batch = teacher._shifted_batch(fields, 60, torch.Generator().manual_seed(0), 2)
    square = fields.view(8, 8)
    rolls = {tuple(square.roll((i, j), (0, 1)).flatten().tolist()) for i in range(8) for j in range(8)}
    seen = {tuple(row.flatten().tolist()) for row in batch}
    assert seen <= rolls
    assert len(seen) > 30


SMALL = {
    "problem": "turbulence2d",
    "num_samples": 64,
    "num_eval_trajectories": 4,
    "grid_points": 32,
    "operator_width": 6,
    "operator_depth": 2,
    "operator_steps": 40,
    "teacher_width": 8,
    "teacher_depth": 8,
    "teacher_steps": 300,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return SMALL | {"cache_dir": str(tmp_path_factory.mktemp("turbulence"))}


def trial_of(stage: dict[str, Any], **params: Any) -> dict[str, Any]:
    base = {"batch_size": 8, "micro_batch": 4, "num_taus": 3, "accum_steps": 1}
    return {"params": base | params, "seed": 0, "num_epochs": 4, "stage": stage, "num_threads": 1}


def test_splits_of_turbulence_share_no_trajectory_and_have_unit_deviation(small: dict[str, Any]) -> None:
    splits = data.make_splits(StageOptions.parse(small))
    assert {name: tuple(p.u.shape) for name, p in splits.items()} == {
        "train": (64, 1024),
        "eval": (16, 1024),
        "final": (16, 1024),
    }
    train = splits["train"]
    assert float(torch.cat([train.u, train.u_next]).std()) == pytest.approx(1.0, abs=1e-5)
    assert torch.equal(train.u_next.view(16, 4, -1)[:, 0], train.u.view(16, 4, -1)[:, 3])
    for a, b in (("train", "eval"), ("train", "final"), ("eval", "final")):
        left, right = (torch.fft.rfft2(splits[s].u[::4].view(-1, 32, 32)).abs().flatten(1) for s in (a, b))
        assert torch.cdist(left, right).min() > 1.0


def test_a_trial_on_turbulence_learns(small: dict[str, Any]) -> None:
    """The loss falls; the distilled student beats persistence, and the operator it corrects."""
    stage = ConsistencyStage(config=trial_of(small))
    results = [stage.train() for _ in range(4)]
    assert [r["status"] for r in results] == ["ok"] * 4
    assert results[-1]["loss"] < 0.8 * results[0]["loss"]
    held_out = load_problem(StageOptions.parse(small)).splits["eval"]
    persistence, operator = (float(nrmse(held_out.cond[..., i], held_out.u_next).mean()) for i in (0, 1))
    assert results[-1]["nrmse"] < 0.8 * operator < 0.8 * persistence
    assert stage.evaluate_final()["nrmse"] < operator


def test_the_engine_is_the_same_one(small: dict[str, Any]) -> None:
    """Naive and fast, small and large micro-batches agree on turbulence as they do on Burgers."""
    runs = [
        ConsistencyStage(config=trial_of(small, micro_batch=m, implementation=i)).train()
        for m, i in ((4, "fast"), (8, "fast"), (4, "naive"))
    ]
    for key in ("loss", "nrmse"):
        assert [r[key] for r in runs] == pytest.approx([runs[0][key]] * 3, rel=1e-4)


@pytest.mark.parametrize(
    ("available", "raw", "expected"),
    [
        (True, {}, ("turbulence2d", 128, 16, 144)),
        (False, {}, ("burgers", 64, 32, 4)),
        (True, {"device": "cpu"}, ("burgers", 64, 32, 4)),
        (True, {"problem": "burgers"}, ("burgers", 64, 32, 4)),
        (False, {"problem": "turbulence2d", "grid_points": 32}, ("turbulence2d", 32, 16, 144)),
        (True, {"problem": "auto", "teacher_width": 8}, ("turbulence2d", 128, 8, 144)),
    ],
)
def test_auto_is_turbulence_on_a_card_and_burgers_elsewhere(
    monkeypatch: pytest.MonkeyPatch, available: bool, raw: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    o = StageOptions.parse(raw)
    assert (o.problem, o.grid_points, o.teacher_width, o.teacher_depth) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"problem": "navier"}, "problem='navier' is unknown. Fix: use one of"),
        ({"problem": "turbulence2d", "grid_points": 20}, "grid_points=20 is not supported. .*192 or 256"),
        ({"problem": "burgers", "grid_points": 256}, "grid_points=256 is not supported. .*64 or 128"),
    ],
)
def test_wrong_problems_are_refused_with_a_fix(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StageOptions.parse(raw)


def test_counted_bytes_are_those_of_a_real_graph_and_follow_their_law() -> None:
    """Counted without memory, equal to counted with it; 6 L W values a point and a little more."""
    options = StageOptions.parse(SMALL | {"teacher_width": 16, "teacher_depth": 8})
    cost = row_cost(options)
    real = teacher.new_network(options)
    assert saved_bytes(real, 1024, 3) - saved_bytes(real, 1024, 1) == 2 * cost.saved_bytes
    # What a product reads and the pre-activation, of every block; what the last product reads.
    law = 4 * 1024 * 16 * (8 * (5 + 1) + 5)
    assert law < cost.saved_bytes < 1.1 * law
    product = 2 * 5 * 16 * 16 * 1024 * 8
    assert 5.0 * product < cost.flops < 5.2 * product


@pytest.mark.parametrize("raw", [SMALL | {"teacher_depth": 13}, {"problem": "burgers", "teacher_depth": 11}])
def test_a_row_costs_what_is_counted_when_every_block_runs(raw: dict[str, Any]) -> None:
    options = StageOptions.parse(raw)
    assert row_cost(options) == counted_cost(options)


def test_launches_and_traffic_are_what_a_real_loss_needs() -> None:
    """The number of operations is the same for any number of rows; a wider network moves more in as many."""
    small, wide, deep = (
        row_cost(StageOptions.parse(SMALL | sizes))
        for sizes in ({}, {"teacher_width": 16}, {"teacher_depth": 12})
    )
    assert small.num_launches == wide.num_launches < deep.num_launches
    # Of each block 4 rolls, cat, product, bias, SiLU and add, in three networks and at least once backward.
    assert deep.num_launches - small.num_launches >= 4 * (3 * 9 + 9)
    assert 1.9 < wide.moved_bytes / small.moved_bytes < 2.0
    assert small.moved_bytes > 5 * small.saved_bytes


@pytest.mark.gpu
@needs_cuda
def test_full_size_rows_cost_on_the_card_what_was_counted() -> None:
    """A student step at 8 and at 4 rows: the difference in peak memory, per row, within 15 %."""
    options = StageOptions.parse({"problem": "turbulence2d"})
    net = teacher.new_network(options).cuda()

    def peak(rows: int) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        x = torch.randn(rows, options.num_points, device="cuda")
        cond = torch.randn(rows, options.num_points, 2, device="cuda")
        consistency_function(net, x, torch.ones(rows, device="cuda"), cond).square().sum().backward()
        net.zero_grad(set_to_none=True)
        return torch.cuda.max_memory_allocated()

    peak(1)
    per_row = (peak(8) - peak(4)) / 4
    assert per_row == pytest.approx(row_cost(options).saved_bytes, rel=0.15)


@pytest.mark.gpu
@needs_cuda
def test_turbulence_trains_on_the_card(tmp_path: Path) -> None:
    """Data are made there too; the loss falls."""
    stage = ConsistencyStage(config=trial_of(SMALL | {"device": "cuda", "cache_dir": str(tmp_path)}))
    results = [stage.train() for _ in range(4)]
    assert [r["status"] for r in results] == ["ok"] * 4
    assert results[-1]["loss"] < results[0]["loss"]
