"""A minimal search with Ray Tune and OptunaSearch, as they document it; it knows nothing of ours.

    python program.py OPTIONS       # a JSON object; see DEFAULTS

Its training notes every step in a file, so that whoever watches it can count what was run twice. At the end
it prints the results that Tune returns, on a line that begins with RESULTS.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import ray
from misbehaving import cannot_be_pickled, in_save, in_setup, in_step, set_clock_back
from ray import tune
from ray.tune.search.optuna import OptunaSearch

DEFAULTS: dict[str, Any] = {
    "fault": "",  # what the second trial, or the driver, does wrong; see misbehaving.py
    "init": {},  # arguments of ray.init
    "trials": 4,
    "steps": 3,
    "step_s": 0.5,
    "max_failures": 0,
    "checkpoint_frequency": 1,
    "time_budget_s": None,
    "gpus": 0,
    "sqlite": None,  # Optuna's storage: a file; None for memory
    "choices": None,  # values of a second parameter, or how many
    "low": 0.0,  # of the first parameter
    "wandb": False,
    "restore": False,
    "resume_errored": False,
}


OPTIONS: dict[str, Any] = {}
"""Goes to the workers with the class, which Ray pickles by value."""


class Training(tune.Trainable):  # type: ignore[misc]  # Ray has no types that mypy follows
    """A made-up training, whose loss falls with every step."""

    def setup(self, config: dict[str, Any]) -> None:
        self.x, self.at = config["x"], 0
        self.note("setup")
        self.fault = OPTIONS["fault"] if self.is_second() else ""
        in_setup(self.fault)

    def step(self) -> dict[str, Any]:
        time.sleep(OPTIONS["step_s"])
        self.at += 1
        self.note("step")
        done = self.at >= OPTIONS["steps"]
        result = {"loss": self.x**2 + 1 / self.at, "epoch": self.at, "done": done}
        result = in_step(self.fault, result)
        if done:
            self.note("end")
        return result

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        in_save(self.fault, Path(checkpoint_dir), self.at)
        (Path(checkpoint_dir) / "state.json").write_text(json.dumps({"at": self.at}))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.at = json.loads((Path(checkpoint) / "state.json").read_text())["at"]

    def is_second(self) -> bool:
        """Whether this is the second trial of the search, also when it is run again."""
        with open(OPTIONS["notes"]) as file:
            trials = [json.loads(line)["trial"] for line in file]
        return list(dict.fromkeys(trials)).index(self.trial_id) == 1

    def note(self, what: str) -> None:
        line = {"what": what, "trial": self.trial_id, "at": self.at, "x": self.x, "pid": os.getpid()}
        with open(OPTIONS["notes"], "a") as file:
            file.write(json.dumps(line) + "\n")


def new_tuner(options: dict[str, Any], storage: str) -> tune.Tuner:
    """Returns the search that begins."""
    space: dict[str, Any] = {"x": tune.uniform(options["low"], 1.0)}
    if options["choices"]:
        choices = options["choices"]
        space["choice"] = tune.choice(choices if isinstance(choices, list) else list(range(choices)))
    file = options["sqlite"]
    search = OptunaSearch(
        metric="loss",
        mode="min",
        sampler=optuna.samplers.TPESampler(seed=0),
        storage=optuna.storages.RDBStorage(f"sqlite:///{file}") if file else None,
    )
    callbacks = []
    if options["wandb"]:
        from ray.air.integrations.wandb import WandbLoggerCallback

        callbacks.append(WandbLoggerCallback(project="alone"))
    return tune.Tuner(
        tune.with_resources(trainable(options), {"cpu": 1, "gpu": options["gpus"]}),
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=options["trials"], time_budget_s=options["time_budget_s"]
        ),
        run_config=tune.RunConfig(
            name="alone",
            storage_path=storage,
            callbacks=callbacks,
            failure_config=tune.FailureConfig(max_failures=options["max_failures"]),
            checkpoint_config=tune.CheckpointConfig(checkpoint_frequency=options["checkpoint_frequency"]),
        ),
    )


def trainable(options: dict[str, Any]) -> Any:
    """Returns what is trained; some faults are in the class itself."""
    if options["fault"] == "class cannot be pickled":
        return cannot_be_pickled(Training)
    if options["fault"] == "only the driver can import it":
        sys.path.insert(0, options["elsewhere"])
        from elsewhere import needed_by

        return needed_by(Training)
    return Training


def say(text: str) -> None:
    """Prints a line for whoever watches; where standard output is full, only Ray is to stumble over that."""
    with suppress(OSError):
        print(text, flush=True)


def main() -> None:
    """Searches, or goes on, and prints what there is in the end."""
    options = DEFAULTS | json.loads(sys.argv[1])
    OPTIONS.update(options)
    say("STARTS")
    ray.init(**options["init"])
    say("STARTED")
    storage = options["storage"]
    if options["restore"]:
        folder = os.path.join(os.path.expanduser(storage), "alone")
        space = {"x": tune.uniform(options["low"], 1.0)} if options["low"] else None
        tuner = tune.Tuner.restore(
            folder, trainable(options), resume_errored=options["resume_errored"], param_space=space
        )
    else:
        tuner = new_tuner(options, storage)
    if options["fault"] == "clock is set back":
        set_clock_back(Path(options["notes"]))
    results = tuner.fit()
    told = [
        {name: (result.metrics or {}).get(key) for name, key in (("trial", "trial_id"), ("loss", "loss"))}
        | {"error": str(result.error)[:200] if result.error else None}
        for result in results
    ]
    say("RESULTS " + json.dumps(told))


if __name__ == "__main__":
    main()
