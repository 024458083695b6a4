"""TokenNet, its preconditionings and the loss against their formulas."""

import math

import torch

from trainables.consistency.evaluation import evaluation_noise, nrmse
from trainables.consistency.loss import Rows, consistency_loss, pseudo_huber
from trainables.consistency.networks import (
    TokenNet,
    consistency_function,
    gather_neighbours,
    teacher_denoise,
)


def network(seed: int = 0) -> TokenNet:
    """A float64 network whose zero layers are filled, so that it does something."""
    torch.manual_seed(seed)
    net = TokenNet(channels=3, width=8, depth=4, with_sigma=True).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net


def rows(num: int = 5, points: int = 16) -> Rows:
    g = torch.Generator().manual_seed(1)
    s1 = 0.1 + 3.0 * torch.rand(num, generator=g, dtype=torch.float64)
    return Rows(
        residual=torch.randn(num, points, generator=g, dtype=torch.float64),
        cond=torch.randn(num, points, 2, generator=g, dtype=torch.float64),
        z=torch.randn(num, points, generator=g, dtype=torch.float64),
        s1=s1,
        s0=0.4 * s1,
    )


def test_consistency_function_is_the_identity_at_sigma_min() -> None:
    """The boundary condition f(x, s_min) = x holds exactly, in float32 too."""
    for dtype in (torch.float32, torch.float64):
        r = rows()
        x, cond = r.residual.to(dtype), r.cond.to(dtype)
        sigma = torch.full((5,), 0.02, dtype=dtype)
        assert torch.equal(consistency_function(network().to(dtype), x, sigma, cond), x)


def test_preconditionings_match_their_papers() -> None:
    """c_skip, c_out, c_in written out once more, from F itself."""
    net, r = network(), rows()
    s = r.s1[:, None]
    raw = net(torch.cat([(r.z / (s**2 + 1).sqrt())[..., None], r.cond], -1), r.s1)
    edm = r.z / (s**2 + 1) + s / (s**2 + 1).sqrt() * raw
    torch.testing.assert_close(teacher_denoise(net, r.z, r.s1, r.cond), edm)
    q = (s - 0.02) ** 2
    student = r.z / (q + 1) + (q / (q + 1)).sqrt() * raw
    torch.testing.assert_close(consistency_function(net, r.z, r.s1, r.cond), student)


def test_network_starts_at_zero() -> None:
    net = TokenNet(channels=3, width=8, depth=2, with_sigma=True)
    assert net(torch.randn(2, 16, 3), torch.ones(2)).abs().max() == 0.0


def test_network_commutes_with_shifts_by_a_token() -> None:
    net, r = network(), rows()
    x = torch.cat([r.z[..., None], r.cond], -1)
    shifted = net(x.roll(4, 1), r.s1)
    torch.testing.assert_close(shifted, net(x, r.s1).roll(4, 1))


def test_network_is_told_the_noise_level() -> None:
    net, r = network(), rows()
    x = torch.cat([r.z[..., None], r.cond], -1)
    assert (net(x, r.s1) - net(x, 2 * r.s1)).abs().max() > 1e-3


def test_neighbours_are_the_tokens_at_plus_and_minus_the_dilation() -> None:
    h = torch.arange(8.0).reshape(1, 8, 1)
    assert gather_neighbours(h, 2)[0, 0].tolist() == [6.0, 0.0, 2.0]
    assert gather_neighbours(h, 2)[0, 7].tolist() == [5.0, 7.0, 1.0]


def test_pseudo_huber_equals_its_formula_and_its_two_limits() -> None:
    a, b = torch.randn(3, 16, dtype=torch.float64), torch.randn(3, 16, dtype=torch.float64)
    c = 0.03 * math.sqrt(16)
    distance = (a - b).norm(dim=-1)
    torch.testing.assert_close(pseudo_huber(a, b), (distance**2 + c * c).sqrt() - c)
    near, far = pseudo_huber(a, a + 1e-5), pseudo_huber(a, a + 1e5)
    torch.testing.assert_close(near, torch.full_like(near, 16e-10 / (2 * c)), rtol=1e-4, atol=0.0)
    torch.testing.assert_close(far, torch.full_like(far, 4e5 - c))


def test_loss_is_song_et_al_algorithm_2() -> None:
    """One Euler step of dx/ds = (x - D) / s from s1 to s0, then the distance to the target net."""
    student, target, teacher, r = network(1), network(2), network(3), rows()
    x1 = r.residual + r.s1[:, None] * r.z
    slope = (x1 - teacher_denoise(teacher, x1, r.s1, r.cond)) / r.s1[:, None]
    xh = x1 + (r.s0 - r.s1)[:, None] * slope
    y = consistency_function(target, xh, r.s0, r.cond)
    expected = pseudo_huber(consistency_function(student, x1, r.s1, r.cond), y).sum()
    torch.testing.assert_close(consistency_loss(student, target, teacher, r), expected)


def test_only_the_student_gets_a_gradient() -> None:
    student, target, teacher = network(1), network(2), network(3)
    consistency_loss(student, target, teacher, rows()).backward()
    assert all(p.grad is not None for p in student.parameters())
    assert all(p.grad is None for net in (target, teacher) for p in net.parameters())


def test_nrmse_is_relative_to_the_truth_per_pair() -> None:
    truth = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
    prediction = torch.tensor([[3.0, 4.0], [0.0, 3.0]])
    torch.testing.assert_close(nrmse(prediction, truth), torch.tensor([0.0, 0.5]))


def test_evaluation_noise_is_fixed_by_the_data_seed() -> None:
    """All trials and epochs of a study see the same z; another data seed has another."""
    assert torch.equal(evaluation_noise(4, 16, 0), evaluation_noise(4, 16, 0))
    assert not torch.equal(evaluation_noise(4, 16, 0), evaluation_noise(4, 16, 1))
