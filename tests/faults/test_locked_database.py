"""Another process holds the file of Optuna's storage: it is waited for, nothing is lost or written twice."""

import shutil
import subprocess
import sys
from pathlib import Path

import optuna
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from tests.processes import ROOT, call_tuner
from tuner.runs.past_run import read_past_run

ENDED = ROOT / "tests/runs/format_2/ended"
LOCKED_S = 7
"""Longer than SQLite itself waits, 5 s."""

HOLD = """
import sqlite3, sys, time

held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
held.execute("ROLLBACK")
held.close()
"""


def test_a_locked_database_is_waited_for_and_written_once(tmp_path):
    run = Path(shutil.copytree(ENDED, tmp_path / "run"))
    file = run / "optuna.sqlite3"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, file, str(LOCKED_S)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    done = call_tuner("follow", run, "--to", "optuna")
    assert holder.wait(30) == 0
    holder.stdout.close()
    assert (done.returncode, done.stdout) == (0, f"{run}: written to optuna\n")
    assert done.stderr == ("optuna waits, and the run continues: another process has locked its database.\n")
    storage = RDBStorage(f"sqlite:///{file}", engine_kwargs={"poolclass": NullPool})
    written = optuna.load_study(study_name=run.name, storage=storage).get_trials()
    assert [t.user_attrs["trial_id"] for t in written] == [r.trial_id for r in read_past_run(run).records]
