"""The teacher's training, and the constants that define the stage."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from trainables.consistency import burgers, loss, networks, schedules, teacher
from trainables.consistency.options import StageOptions
from trainables.consistency.precision import arithmetic
from trainables.consistency.stage import load_operator
from trainables.consistency.teacher import DistillationProblem


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (burgers, "VISCOSITY", 0.01),
        (loss, "HUBER_C", 0.03),
        (networks, "DILATIONS", (1, 2, 4)),
        (networks, "POINTS_PER_TOKEN", 4),
        (schedules, "ADAM_BETAS", (0.9, 0.99)),
        (schedules, "EVALUATION_DECAY", 0.99),
        (schedules, "LEARNING_RATE", 2.3e-3),
        (schedules, "NUM_INTERVALS", 3),
        (schedules, "TARGET_DECAY", 0.95),
        (teacher, "LEARNING_RATE", 3e-3),
        (teacher, "LOG_SIGMA_STD", 1.4),
        (teacher, "OPERATOR_BATCH", 64),
        (teacher, "TEACHER_BATCH", 48),
        (teacher, "TEACHER_EMA_LIMIT", 0.995),
        (teacher, "TEACHER_WARM_UP_STEPS", 50),
    ],
)
def test_constants_that_define_the_stage_are_not_moved(module: object, name: str, value: object) -> None:
    """They are fenced: another value is another problem, and its calibration is void."""
    assert getattr(module, name) == value


def test_denoising_loss_is_edms() -> None:
    """A network at zero gives D = x / (s^2 + 1); the weighted error is then known."""
    net = networks.TokenNet(channels=3, width=8, depth=1, with_sigma=True).double()
    batch = torch.randn(6, 16, 3, dtype=torch.float64)
    found = teacher._denoising_loss(net, batch, torch.Generator().manual_seed(5))
    g = torch.Generator().manual_seed(5)
    s = (1.4 * torch.randn(6, generator=g)).exp().clamp(0.02, 10.0).double()[:, None]
    z = torch.randn(6, 16, generator=g).double()
    r = batch[..., 0]
    error = (r + s * z) / (s**2 + 1) - r
    expected = ((s**2 + 1) / s**2 * error**2).mean()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0.0)


def test_training_batches_are_samples_rolled_whole() -> None:
    """All channels of a sample move by the same number of points, and not all by the same."""
    fields = torch.arange(3 * 16 * 2.0).reshape(3, 16, 2)
    batch = teacher._shifted_batch(fields, 40, torch.Generator().manual_seed(0))
    rolls = {tuple(fields[i].roll(k, 0).flatten().tolist()): (i, k) for i in range(3) for k in range(16)}
    seen = {rolls[tuple(row.flatten().tolist())] for row in batch}
    assert len({i for i, _ in seen}) == 3
    assert len({k for _, k in seen}) > 8


def test_the_teacher_learns_to_denoise(problem: DistillationProblem) -> None:
    """150 steps beat D = x / (s^2 + 1), the best that knows no structure, at s = 1."""
    options = StageOptions(grid_points=16, teacher_width=16, teacher_depth=2, teacher_steps=150)
    train = problem.splits["train"]
    net = teacher.new_network(options)
    net.load_state_dict(teacher.train_teacher(train, options, "cpu"))
    generator = torch.Generator().manual_seed(0)
    noisy = train.residual + torch.randn(train.residual.shape, generator=generator)
    sigma = torch.ones(noisy.shape[0])
    with torch.no_grad():
        denoised = networks.teacher_denoise(net, noisy, sigma, train.cond)
    linear = (noisy / 2.0 - train.residual).square().mean()
    error = (denoised - train.residual).square().mean()
    assert error < 0.8 * linear


def test_networks_are_trained_in_tf32_and_the_operator_is_asked_in_fp32(
    tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`naive` asks the operator again in fp32: predictions kept in TF32 would be another problem's."""
    seen: dict[str, bool] = {}

    def watched(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*args: Any) -> Any:
            seen[name] = torch.backends.cuda.matmul.allow_tf32
            return real(*args)

        return asked

    for name in ("train_operator", "_predict", "train_teacher"):
        monkeypatch.setattr(teacher, name, watched(name, getattr(teacher, name)))
    before = torch.backends.cuda.matmul.allow_tf32
    teacher.make_problem(StageOptions.parse(tiny), "cpu")
    assert seen == {"train_operator": True, "_predict": False, "train_teacher": True}
    assert torch.backends.cuda.matmul.allow_tf32 is before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_what_a_card_kept_of_the_operator_is_what_it_says_when_asked_again(tiny: dict[str, Any]) -> None:
    options = StageOptions.parse(tiny | {"device": "cuda"})
    made = teacher.make_problem(options, "cuda")
    kept = made.splits["train"].cond.cuda()
    with arithmetic("fp32", "cuda"):
        again = load_operator(made, options, "cuda")(kept[..., 0])
    torch.testing.assert_close(again, kept[..., 1], rtol=1e-5, atol=1e-5)
