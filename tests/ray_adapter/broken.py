"""A stage whose reports are unusable."""

from ray import tune


class NoTime(tune.Trainable):
    def step(self):
        return {"status": "ok", "epoch": 1, "nrmse": 0.09}

    def reset_config(self, new_config):
        return True
