"""TensorBoard's own reader finds what was written."""

import pytest

from tests.sinks.cases import FAST, PROVENANCE, play, records
from tests.studies import make_record, make_study
from tuner.core.trial import TrialState
from tuner.sinks.tensorboard import TensorBoard

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def read(folder):
    return accumulator.EventAccumulator(str(folder)).Reload()


def scalars(folder):
    events = read(folder)
    return {tag: {e.step: e.value for e in events.Scalars(tag)} for tag in events.Tags()["scalars"]}


def hparams(folder):
    """Parameters, outcomes and status as TensorBoard's hparams plugin parses them."""
    from tensorboard.plugins.hparams import metadata

    contents = read(folder).summary_metadata
    parsed = {tag: contents[tag].plugin_data.content for tag in contents if tag.startswith("_hparams_")}
    start = metadata.parse_session_start_info_plugin_data(parsed["_hparams_/session_start_info"])
    end = metadata.parse_session_end_info_plugin_data(parsed["_hparams_/session_end_info"])
    experiment = metadata.parse_experiment_plugin_data(parsed["_hparams_/experiment"])
    values = {k: getattr(v, v.WhichOneof("kind")) for k, v in start.hparams.items()}
    assert {info.name for info in experiment.hparam_infos} == set(values)
    return values, [info.name.tag for info in experiment.metric_infos], end.status


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorboard") / "mine"
    play(TensorBoard(), folder)
    return folder / "tensorboard"


def test_every_trial_has_its_curves_by_epoch(played):
    assert sorted(path.name for path in played.iterdir()) == [f"{k:04d}" for k in range(1, 8)]
    curves = scalars(played / "0002")
    assert curves["epoch/nrmse"] == pytest.approx({1: 0.1, 2: 0.094})
    assert curves["epoch/time_s"] == pytest.approx({1: 0.5, 2: 1.0})
    assert curves["epoch/peak_memory_gib"] == {1: 0.25, 2: 0.25}
    assert "epoch/power_w" not in curves  # was not measured
    assert scalars(played / "0005")["epoch/nrmse"] == pytest.approx({1: 0.2})


def test_only_a_trial_that_ran_to_its_end_has_final_figures(played):
    assert scalars(played / "0002")["final/time_s"] == {2: 1.0}
    assert scalars(played / "0002")["final/nrmse"] == pytest.approx({2: 0.094})
    for trial_id in ("0004", "0005", "0006", "0007"):
        assert not [tag for tag in scalars(played / trial_id) if tag.startswith("final/")]


def test_parameters_and_their_outcome_are_hyperparameters(played):
    values, metrics, status = hparams(played / "0002")
    about = {"seed": 0, "purpose": "search", "state": "complete", "reason": "", "study": "synthetic"}
    assert values == FAST.as_dict() | about
    assert metrics == ["final/time_s", "final/nrmse"]
    assert status == 1
    assert hparams(played / "0004")[0]["reason"] == "too slow"
    assert hparams(played / "0005")[2] == 2


def test_what_is_written_can_be_read_before_the_trial_ends(tmp_path):
    sink = TensorBoard()
    sink.start(make_study(), PROVENANCE, tmp_path)
    sink.show(make_record(curve=[0.1], state=TrialState.RUNNING))
    assert scalars(tmp_path / "tensorboard" / "0001")["epoch/nrmse"] == pytest.approx({1: 0.1})
    sink.show(make_record(curve=[0.1, 0.09], state=TrialState.RUNNING))
    assert scalars(tmp_path / "tensorboard" / "0001")["epoch/nrmse"] == pytest.approx({1: 0.1, 2: 0.09})


def test_a_resumed_run_writes_each_epoch_once(tmp_path):
    for _ in range(2):
        sink = TensorBoard()
        sink.start(make_study(), PROVENANCE, tmp_path)
        for record in records():
            sink.show(record)
    events = read(tmp_path / "tensorboard" / "0002")
    assert [event.step for event in events.Scalars("epoch/nrmse")] == [1, 2]
    assert hparams(tmp_path / "tensorboard" / "0002")[0]["state"] == "complete"


def test_accepted_changes_are_a_text_beside_the_trials(tmp_path):
    change = {"after_trial": "0003", "accepted": ["stage.options.a: 1 -> 2"], "noted": ["seed: 0 -> 1"]}
    for _ in range(2):  # a resumed run writes it once
        TensorBoard().start(make_study(), PROVENANCE | {"changes": [change]}, tmp_path)
    events = read(tmp_path / "tensorboard" / "accepted-changes")
    (text,) = events.Tensors("accepted changes")
    (said,) = text.tensor_proto.string_val
    assert b"(--accept-changes) after trial 0003: stage.options.a: 1 -> 2." in said
    assert events.summary_metadata["accepted changes"].plugin_data.plugin_name == "text"
