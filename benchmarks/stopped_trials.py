"""Shows what stock Ray Tune tells stock OptunaSearch about trials that a scheduler has stopped.

    python -m benchmarks.stopped_trials           # some minutes on 2 cores: Ray starts a process a trial

A made-up training has 8 epochs. ASHA stops poor trials, and OptunaSearch minimises seconds and NRMSE. The
script starts a Ray of its own, unless this process has one. The last line is one line of JSON: how many
trials are on Optuna's Pareto front, and how many of those had been stopped.
"""

import argparse
import json
import math
import os
import tempfile
import time
from typing import Any

NUM_EPOCHS = 8
EPOCH_S = 0.01


def training(config: dict[str, Any]) -> None:
    """Trains a made-up model, and reports the seconds so far and the NRMSE after every epoch."""
    from ray import tune

    begun = time.perf_counter()
    taus, batch = config["num_taus"], config["batch_size"]
    final = 0.07 + 0.02 / taus + 0.004 * math.log2(batch / 6)
    for epoch in range(1, NUM_EPOCHS + 1):
        time.sleep(EPOCH_S * taus * 24 / batch)
        nrmse = final * (1 + 0.5 * (NUM_EPOCHS - epoch) / NUM_EPOCHS)
        tune.report({"epoch": epoch, "nrmse": nrmse, "time_s": time.perf_counter() - begun})


def main() -> None:
    """Runs the search, and prints the front and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=40)
    args = parser.parse_args()
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # alone, on the loopback
    import optuna
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    space = {"batch_size": tune.randint(6, 25), "num_taus": tune.randint(2, 8)}
    search = OptunaSearch(
        metric=["time_s", "nrmse"], mode=["min", "min"], sampler=optuna.samplers.TPESampler(seed=0)
    )
    scheduler = ASHAScheduler(time_attr="epoch", metric="nrmse", mode="min", max_t=NUM_EPOCHS)
    has_ray = ray.is_initialized()
    if not has_ray:
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tuner = tune.Tuner(
            tune.with_resources(training, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(search_alg=search, scheduler=scheduler, num_samples=args.trials),
            run_config=tune.RunConfig(verbose=0, storage_path=folder),
        )
        results = tuner.fit()
    if not has_ray:
        ray.shutdown()
    epochs = {result.metrics["time_s"]: result.metrics["epoch"] for result in results}
    front = sorted(trial.values for trial in search._ot_study.best_trials)  # there is no public way to it
    for time_s, nrmse in front:
        print(f"{time_s:.3f} s, NRMSE {nrmse:.4f}, {epochs[time_s]} of {NUM_EPOCHS} epochs")
    num_stopped = sum(epochs[time_s] < NUM_EPOCHS for time_s, _ in front)
    print(json.dumps({"on_the_front": len(front), "stopped": num_stopped}))


if __name__ == "__main__":
    main()
