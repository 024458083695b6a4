"""Made the recorded runs, once, with W&B 0.31; see ``test_wandb``.

Run with WANDB_MODE=offline WANDB_DIR=FOLDER WANDB_CONSOLE=off WANDB_X_DISABLE_STATS=true
WANDB_X_DISABLE_META=true WANDB_X_DISABLE_MACHINE_INFO=true WANDB_DISABLE_GIT=true WANDB_HOST=host, so that
nothing is told of the machine.
"""

import math

import wandb


def train(run, epoch, nrmse):
    for step in range(2):
        run.log({"train/loss": 1 / (epoch + step)})
    figures = {"eval/nrmse": nrmse, "val": {"rmse": 2.0 * epoch, "rms": 4.0}, "epoch": epoch}
    figures["own"] = {"nrmse": nrmse}
    run.log({**figures, "hist": wandb.Histogram([1, 2, 3])})


with wandb.init(project="p", id="first") as run:
    run.define_metric("eval/nrmse", summary="min")
    for epoch, nrmse in ((1, 0.5), (2, 0.25), (3, 0.375)):
        train(run, epoch, nrmse)
    run.summary["final"] = {"nrmse": 0.125}
    run.summary["note"] = "best"
    run.summary["own"] = {"nrmse": 0.125}
with wandb.init(project="p", id="first", resume="allow") as run:
    run.log({"eval/nrmse": math.nan, "epoch": 4})
    run.log({"eval/nrmse": math.inf, "epoch": 5, "none": None, "text": "x"})
with wandb.init(project="p", id="second") as run:
    run.log({"eval/nrmse": 1.0, "epoch": 6})
