"""A stage of one's own: a small network learns to remove noise from waves."""

import torch
from torch import nn

from trainables.base import MeasuredTrainable
from trainables.trial import EpochCounts


class OwnStage(MeasuredTrainable):
    quality_invariant_to = ("micro_batch",)  # noise is drawn before a batch is cut

    def build(self, params, seed, options):
        if unknown := options.keys() - {"num_samples"}:
            raise ValueError(f"unknown stage option {unknown}. Fix: remove it.")
        if params["batch_size"] % params["micro_batch"]:
            raise ValueError("micro_batch does not divide batch_size. Fix: choose a divisor.")
        self.params, self.clean, self.held_out = params, waves(options["num_samples"], 0), waves(256, 1)
        self.net = nn.Sequential(nn.Linear(33, 64), nn.GELU(), nn.Linear(64, 32))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=3e-3)

    def warm_up(self):
        torch.autograd.grad(self.net(torch.zeros(8, 33)).sum(), list(self.net.parameters()))

    def train_epoch(self, epoch):  # the global generators are seeded by (seed, epoch)
        micro, taus, accum = (self.params[name] for name in ("micro_batch", "num_taus", "accum_steps"))
        batches, counts = torch.randperm(len(self.clean)).split(self.params["batch_size"]), EpochCounts()
        for number, batch in enumerate(batches, start=1):
            clean, sigma = self.clean[batch, None], torch.rand(len(batch), taus, 1)
            noisy = torch.cat([clean + sigma * torch.randn(len(batch), taus, 32), sigma], dim=-1)
            for x, target in zip(noisy.split(micro), clean.split(micro), strict=True):
                loss = (self.net(x) - target).square().mean() * len(x) / len(batch)
                (loss / accum).backward()
                counts = counts.plus(EpochCounts(num_chunks=1, num_sample_evals=len(x) * taus))
            if number % accum == 0 or number == len(batches):  # nothing is pending between epochs
                self.optimizer.step()
                self.optimizer.zero_grad()
                counts = counts.plus(EpochCounts(num_optimizer_steps=1))
        return counts.plus(EpochCounts(loss=loss.item()))

    def evaluate(self):
        noise = torch.randn(self.held_out.shape, generator=torch.Generator().manual_seed(2))
        x = torch.cat([self.held_out + 0.5 * noise, torch.full((len(noise), 1), 0.5)], dim=-1)
        return {"nrmse": ((self.net(x) - self.held_out).norm() / self.held_out.norm()).item()}

    def release(self):
        self.net = self.optimizer = self.clean = self.held_out = None


def waves(num, seed):
    frequency, phase = torch.rand(2, num, 1, generator=torch.Generator().manual_seed(seed))
    return torch.sin((1 + 3 * frequency) * torch.linspace(0.0, 6.3, 32) + 6.3 * phase)
