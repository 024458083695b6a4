"""Puts real faults into a plain Ray Tune and OptunaSearch program, and says what an operator sees.

    python -m benchmarks.faults_alone                      # every fault, about 35 minutes on 2 cores
    python -m benchmarks.faults_alone raylet_dies ctrl_c   # some of them
    python -m benchmarks.faults_alone --quick              # three of them, in about a minute
    python -m benchmarks.faults_alone --list               # their names

The program (program.py) has no line of ours: a class that trains, OptunaSearch, tune.Tuner, one trial at a
time. It runs in a process of its own with a private Ray and a temporary folder. Each fault is real: a
SIGKILL, a small file system, a lock that another process holds. Only the clock is set back for the driver
alone. What is not at its end after 90 s is `still waiting`. For each fault the script says how the program
ended, the seconds from the fault to that end and to the first line that speaks of trouble, how many trials
had finished, how many of them Tune returned, and how many steps were run twice. docs/reliability.md sets it
beside what we do.

The last line is one line of JSON: `faults`; of those, how many programs were still `waiting`, were `silent`
(no line spoke of trouble), ended with `exit_0`, and `lost_results` (a finished trial was not returned);
`steps_again`; and the versions of `ray` and `optuna`.
"""

from __future__ import annotations

import argparse
import json

from benchmarks.faults_alone import disks, processes, restores, surroundings, trainings
from benchmarks.faults_alone.seen import headline

FAULTS = {
    fault.__name__: fault
    for module in (processes, trainings, disks, restores, surroundings)
    for fault in module.ALL
}
QUICK = ("module_raises", "loss_is_missing", "worker_dies")


def main() -> None:
    """Tries faults, and prints a line for each and one line of JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAMES", help="faults to try (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--list", action="store_true", help="show the faults and end")
    args = parser.parse_args()
    names = args.names or (QUICK if args.quick else tuple(FAULTS))
    if unknown := set(names) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}. Fix: --list shows their names")
    if args.list:
        for name in names:
            print(f"{name}: {FAULTS[name].__doc__}")
        return
    found = []
    for name in names:
        print(f"{name}: {FAULTS[name].__doc__}", flush=True)
        try:
            found.append(FAULTS[name]())
        except (OSError, RuntimeError) as error:  # no disk can be mounted here, or the fault never came
            print(f"    not tried: {error}", flush=True)
        else:
            print(f"    {found[-1]}", flush=True)
    print(json.dumps(headline(found)))


if __name__ == "__main__":
    main()
