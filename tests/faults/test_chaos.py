"""Ten kills in a row, of everything that a run consists of; `make chaos` does fifty."""

import pytest

from tests.chaos.killer import VICTIMS, Chaos, plan
from tests.chaos.outcome import Outcome
from tests.chaos.study import write_chaos_study

NUM_KILLS, SEED = 10, 0


@pytest.mark.timeout(900)  # it begins beside the other slow files, and every start of Ray waits for a core
def test_ten_kills_in_a_row_change_neither_the_trials_nor_the_verdict(tmp_path, call_on_ray):
    study = write_chaos_study(tmp_path, epoch_time_s=0.6)
    undisturbed = call_on_ray("--space", study, "--runs-dir", tmp_path / "undisturbed")
    assert undisturbed.returncode == 0, undisturbed.stderr
    kills = plan(NUM_KILLS, SEED)
    assert {kill.victim for kill in kills} == set(VICTIMS)
    chaos = Chaos(study, tmp_path / "killed")
    assert chaos.carry_out(kills) == 0, chaos.said
    assert "Traceback" not in chaos.said
    assert Outcome.of(chaos.run) == Outcome.of(tmp_path / "undisturbed/last")
