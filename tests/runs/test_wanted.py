"""A run is written where its study says, else where the environment says; W&B is offline by default."""

import pytest

from tuner.core.outputs import OutputSpec
from tuner.runs.wanted import NAMES, wandb_mode, wanted_names

KEY = {"WANDB_API_KEY": "k"}
ONLINE, OFFLINE, DISABLED = ({"WANDB_MODE": mode} for mode in ("online", "offline", "disabled"))


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch, tmp_path):
    """Leaves nothing configured but a key in a .netrc, where `wandb login` puts it."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password k\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.mark.parametrize(
    ("asked", "environment", "simulated", "mode"),
    [
        ("auto", {}, False, "offline"),
        ("auto", KEY, False, "offline"),
        ("auto", ONLINE, False, "online"),
        ("auto", KEY | OFFLINE, False, "offline"),
        ("auto", DISABLED, False, ""),
        ("auto", {"WANDB_MODE": ""}, False, "offline"),
        ("auto", KEY | ONLINE, True, ""),
        ("offline", KEY | ONLINE, False, "offline"),
        ("offline", {}, True, "offline"),
        ("online", {}, False, "online"),
        ("online", DISABLED, False, "online"),
        ("off", KEY | ONLINE, False, ""),
    ],
)
def test_uploading_is_a_decision_of_the_study_or_the_environment_and_no_key_makes_it(
    asked, environment, simulated, mode, monkeypatch
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wandb_mode(OutputSpec(wandb=asked), is_simulated=simulated) == mode


def test_without_wandb_auto_is_off_and_what_the_study_names_is_wanted_all_the_same(monkeypatch):
    monkeypatch.setattr("tuner.runs.wanted.find_spec", lambda _: None)
    assert wandb_mode(OutputSpec(), is_simulated=False) == ""
    assert wandb_mode(OutputSpec(wandb="offline"), is_simulated=False) == "offline"


def test_everything_is_wanted_unless_it_is_off():
    assert wanted_names(OutputSpec(), is_simulated=False) == NAMES
    assert wanted_names(OutputSpec(), is_simulated=True) == NAMES[:-1]
    off = OutputSpec(optuna="off", tensorboard=False, parquet=False, wandb="off")
    assert wanted_names(off, is_simulated=False) == ()
