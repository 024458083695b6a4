"""Burgers data: the solver is right, and the splits are apart."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainables.consistency import burgers, data
from trainables.consistency.data import Pairs, make_splits
from trainables.consistency.options import StageOptions
from trainables.consistency.teacher import DistillationProblem


def cole_hopf(x: Tensor, t: float, nu: float, amplitude: float) -> Tensor:
    """A closed form: u = -2 nu phi_x / phi with phi = 1 + a exp(-nu k^2 t) cos(k x)."""
    k = 2.0 * math.pi
    decay = amplitude * math.exp(-nu * k * k * t)
    phi = 1.0 + decay * torch.cos(k * x)
    return 2.0 * nu * k * decay * torch.sin(k * x) / phi


def test_solver_matches_the_cole_hopf_solution() -> None:
    """A steep front (amplitude .95) after 0.3 time units agrees to 1e-6."""
    x = torch.arange(128, dtype=torch.float64) / 128
    nu, amplitude = 0.05, 0.95
    start = cole_hopf(x, 0.0, nu, amplitude)[None]
    frames = burgers.solve(start, num_frames=4, frame_interval=0.1, viscosity=nu)
    for i in range(4):
        exact = cole_hopf(x, 0.1 * i, nu, amplitude)
        torch.testing.assert_close(frames[0, i], exact, rtol=0.0, atol=1e-6)


def test_solver_is_fourth_order_in_time() -> None:
    """Halving the step divides the error by about 16."""
    u0 = burgers.initial_conditions(4, 32, np.random.default_rng(1))

    def final(step: float) -> Tensor:
        frames = burgers.solve(u0, num_frames=2, frame_interval=0.2, time_step=step)
        return frames[:, -1]

    exact = final(0.2 / 320)
    coarse, fine = (float((final(0.2 / n) - exact).abs().max()) for n in (20, 40))
    assert 11.0 < coarse / fine < 22.0


def test_solver_keeps_the_mean() -> None:
    """Burgers' equation conserves the integral of u."""
    u0 = 0.3 + burgers.initial_conditions(5, 64, np.random.default_rng(2))
    frames = burgers.solve(u0, num_frames=3, frame_interval=0.1)
    torch.testing.assert_close(frames.mean(-1), u0.mean(-1)[:, None].expand(-1, 3))


def test_the_upper_third_of_the_spectrum_stays_empty() -> None:
    """The 2/3 rule: what would alias is dropped, so a steep front does not fill those modes."""
    u0 = burgers.initial_conditions(5, 64, np.random.default_rng(4))
    frames = burgers.solve(u0, num_frames=3, frame_interval=0.1)
    spectrum = torch.fft.rfft(frames).abs()  # (5, 3, 33)
    assert spectrum[..., 22:].max() < 1e-10
    assert spectrum[:, -1, 15:22].max() > 1e-3


def test_chunked_solving_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trajectories do not know of one another."""
    u0 = burgers.initial_conditions(5, 32, np.random.default_rng(3))
    whole = burgers.solve(u0, num_frames=2, frame_interval=0.1)
    monkeypatch.setattr(burgers, "_CHUNK", 2)
    assert torch.equal(burgers.solve(u0, num_frames=2, frame_interval=0.1), whole)


def splits_of(**options: Any) -> dict[str, Pairs]:
    base = {"num_samples": 40, "num_eval_trajectories": 5, "grid_points": 16}
    return make_splits(StageOptions(**(base | options)))


def initial_fields(pairs: Pairs) -> Tensor:
    """u(0) of every trajectory, scaled to unit norm (the splits share one scale anyway)."""
    first = pairs.u[::4]
    return first / first.norm(dim=-1, keepdim=True)


def test_splits_share_no_trajectory() -> None:
    """No initial field of one split is in another, even up to a shift."""
    splits = splits_of()
    for a, b in (("train", "eval"), ("train", "final"), ("eval", "final")):
        left = torch.fft.rfft(initial_fields(splits[a])).abs()
        right = torch.fft.rfft(initial_fields(splits[b])).abs()
        assert torch.cdist(left, right).min() > 1e-4


def test_held_out_trajectories_do_not_depend_on_the_number_of_training_samples() -> None:
    """Each split has a stream of its own; only the common scale moves."""
    few, many = splits_of(num_samples=40)["eval"], splits_of(num_samples=80)["eval"]
    ratio = few.u / many.u
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-4, atol=0.0)


def test_a_pair_is_three_tenths_apart_and_windows_overlap_as_specified() -> None:
    """The target of the window at 0 is the input of the window at 0.3."""
    train = splits_of()["train"]
    u, u_next = (v.reshape(-1, 4, v.shape[-1]) for v in (train.u, train.u_next))
    assert torch.equal(u_next[:, 0], u[:, 3])
    assert pytest.approx(0.3) == data.FRAME_INTERVAL * data.HORIZON_FRAMES


def test_fields_have_unit_training_deviation() -> None:
    train = splits_of()["train"]
    assert float(torch.cat([train.u, train.u_next]).std()) == pytest.approx(1.0, abs=1e-5)


def test_training_residuals_have_unit_deviation(problem: DistillationProblem) -> None:
    """R = (u_next - u_hat) / s_r, s_r being the training deviation of u_next - u_hat."""
    train = problem.splits["train"]
    assert float(train.residual.std()) == pytest.approx(1.0, abs=1e-5)
    restored = train.cond[..., 1] + problem.residual_std * train.residual
    torch.testing.assert_close(restored, train.u_next, rtol=0.0, atol=1e-5)


@pytest.mark.parametrize(
    ("option", "value", "check"),
    [
        ("num_samples", 80, lambda s: s["train"].u.shape[0] == 80),
        ("num_eval_trajectories", 7, lambda s: s["eval"].u.shape[0] == 28),
        ("num_eval_trajectories", 7, lambda s: s["final"].u.shape[0] == 28),
        ("grid_points", 32, lambda s: s["train"].u.shape[1] == 32),
        ("data_seed", 1, lambda s: not torch.equal(s["train"].u, splits_of()["train"].u)),
    ],
)
def test_data_options_are_obeyed(option: str, value: int, check: Any) -> None:
    assert check(splits_of(**{option: value}))
