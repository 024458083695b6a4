"""Kills the processes of a run 50 times in a row; neither its trials nor its verdict may change by that."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.killer import Chaos, plan
from tests.chaos.outcome import Outcome
from tests.chaos.study import write_chaos_study


def main() -> int:
    """Returns 0 if the killed run found what an undisturbed one found, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="kills in a row (50)")
    parser.add_argument("--seed", type=int, default=0, help="draws what is killed, and when (0)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        return _compare(Path(folder), args.kills, args.seed)


def _compare(folder: Path, num_kills: int, seed: int) -> int:
    study = write_chaos_study(folder, epoch_time_s=1.5, trials=14)  # long enough for 50 kills
    undisturbed, killed = (Chaos(study, folder / name) for name in ("undisturbed", "killed"))
    print("an undisturbed run ...", flush=True)
    code = undisturbed.carry_out([])
    wanted = Outcome.of(undisturbed.run)
    kills, began = plan(num_kills, seed), time.monotonic()
    killed_code = killed.carry_out(kills, lambda line: print(line, flush=True))
    found = Outcome.of(killed.run)
    are_alike = (killed_code, found) == (code, wanted)
    if not are_alike:
        print(f"undisturbed, exit {code}: {wanted}\nkilled, exit {killed_code}: {found}")
    facts = {
        "num_kills": len(kills),
        "victims": Counter(kill.victim for kill in kills),
        "seed": seed,
        "num_trials": len(found.trials),
        "num_trials_undisturbed": len(wanted.trials),
        "are_alike": are_alike,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(facts))
    return 0 if are_alike else 1


if __name__ == "__main__":
    raise SystemExit(main())
