"""The figures of the models: from the journal alone, what the advisor believed, and never in the way."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.replay import rebuild
from tests.studies import make_study, study_dict
from tuner.report.html.figures.importance import importance
from tuner.report.html.figures.lattice import lattice_map
from tuner.report.html.figures.memory import memory
from tuner.report.html.figures.slices import slices
from tuner.report.html.figures.time_parts import BESIDE, PARTS, time_parts
from tuner.report.html.page import page
from tuner.report.model import model_of
from tuner.runs.past_run import PastRun, read_past_run
from tuner.runs.restore import knowledge_of
from tuner.simulate.session import run_simulated, simulated


@pytest.fixture(scope="module")
def model(past):
    found = model_of(past)
    assert not isinstance(found, str), found
    return found


def named(figure, name):
    return [series for series in figure.series if series.name == name]


def test_what_is_believed_is_what_the_advisor_believed(past, model):
    """A second way to the same: the advisor, made to answer all its calls again."""
    theirs = rebuild(past.study, past.events).knowledge.predictions
    ours = knowledge_of(past.study, past.facts).predictions
    assert ours.feasible == pytest.approx(theirs.feasible, abs=1e-12)
    assert ours.time_s == pytest.approx(theirs.time_s, rel=1e-12)
    rows = model.rows(theirs.candidates.configs)
    assert model.predictions.feasible[rows] == pytest.approx(theirs.feasible, abs=1e-9)


def test_the_upper_bars_are_as_long_as_the_predicted_time_and_the_lower_as_what_was_measured(past, model):
    figure = time_parts(past, model)
    [panel] = figure.panels
    length = dict.fromkeys(range(len(panel.y_ticks)), 0.0)
    for series in panel.series:
        for x, y in zip(series.x, series.y, strict=True):
            length[round(y)] += x
    rows = past.result.conclusion.rows
    order = [rows[title].estimate for title in ("baseline", "guide", "recommended") if title in rows]
    for k, estimate in enumerate(order):
        row = model.predictions.candidates.index[estimate.config]
        assert length[2 * k] == pytest.approx(model.predictions.modelled_time[0][row])
        lasts = [record.last for record in estimate.records]
        beside = np.mean([m.setup_time_s + m.warmup_time_s + m.evaluate_time_s for m in lasts])
        beside += np.mean([m.checkpoint_time_s or 0.0 for m in lasts])
        assert length[2 * k + 1] == pytest.approx(estimate.time_s + beside)
    assert {series.name for series in panel.series} <= {*PARTS, *BESIDE, "training, measured"}


def test_every_cell_of_the_map_is_a_legal_point_and_every_speck_says_which_constraint_it_breaks(past, model):
    figure = lattice_map(past, model)
    cells = [z for series in figure.series if series.kind == "cells" for z in series.z]
    assert len(cells) == len(past.study.lattice)
    assert sorted(cells) == pytest.approx(sorted(model.predictions.feasible[model.rows(model.configs)]))
    specks = [label for series in named(figure, "excluded by a constraint") for label in series.labels]
    live = {
        p.name: len(p.values) - len(past.study.lattice.dead_values().get(p.name, ())) for p in model.varied
    }
    assert len(cells) + len(specks) == np.prod(list(live.values()))
    rules = [rule.text for rule in past.study.lattice.rules]
    assert all(any(rule in label for rule in rules) for label in specks)


def test_every_tried_configuration_has_a_mark_on_the_map(past, model):
    figure = lattice_map(past, model)
    marks = ("measured at full budget", "stopped early", "failed", "infeasible: out of memory or diverged")
    num = sum(len(series.x) for name in marks for series in named(figure, name))
    assert num == len({record.config for record in past.records})


def test_a_map_of_too_many_points_shows_the_best_of_the_rest_and_says_so(past, model, monkeypatch):
    monkeypatch.setattr("tuner.report.html.figures.lattice.MAX_PANELS", 3)
    figure = lattice_map(past, model)
    assert len(figure.panels) == 1
    assert "best of the rest" in figure.notes[0]
    [cells] = [series for series in figure.series if series.kind == "cells"]
    assert max(cells.z) == pytest.approx(max(model.predictions.feasible[model.rows(model.configs)]), abs=0.5)
    winner = past.result.conclusion.rows["recommended"].trial.config
    assert any(str(winner) in label for label in cells.labels)


def test_a_slice_keeps_the_others_or_says_what_else_changed(model):
    centre = model.centre.as_dict()
    for name, points in model.slices.items():
        assert len({point.value for point in points}) == len(points)
        assert any(point.config == model.centre for point in points)
        for point in points:
            theirs = point.config.as_dict()
            assert theirs[name] == point.value
            assert point.config in model.lattice
            differing = {other for other in theirs if other != name and theirs[other] != centre[other]}
            assert differing == set(point.moved)


def test_a_slice_along_a_range_runs_from_end_to_end_and_moves_nothing_else(tmp_path):
    study = make_study(
        parameters=study_dict()["parameters"]
        | {"lr": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}},
        baseline=study_dict()["baseline"] | {"lr": 1e-3},
        guide=None,
        budget={"trials": 4, "hours": 1},
    )
    model = model_of(read_past_run(run_simulated(simulated(study), tmp_path, lambda *_: None)[1]))
    points = model.slices["lr"]
    values = [point.value for point in points]
    assert (values[0], values[-1]) == pytest.approx((1e-4, 1e-2))
    assert values == sorted(values)
    assert model.centre.as_dict()["lr"] in values
    centre = model.centre.as_dict()
    assert all(point.config.as_dict() == centre | {"lr": point.value} for point in points)


def test_a_parameter_whose_ratios_matter_has_a_logarithmic_axis_with_its_own_values_as_ticks(tmp_path):
    study = make_study(
        parameters=study_dict()["parameters"]
        | {"lr": {"type": "float", "low": 1e-4, "high": 3e-2, "log": True}},
        baseline=study_dict()["baseline"] | {"lr": 1e-3},
        guide=None,
        budget={"trials": 4, "hours": 1},
    )
    past = read_past_run(run_simulated(simulated(study), tmp_path, lambda *_: None)[1])
    panel = next(one for one in slices(past, model_of(past)).panels if one.x_label == "lr")
    assert [text for _, text in panel.x_ticks] == ["0.0001", "0.001", "0.01", "0.03"]
    assert [10**x for x, _ in panel.x_ticks] == pytest.approx([1e-4, 1e-3, 1e-2, 3e-2])
    band = next(one for one in panel.series if one.kind == "band")
    assert (10 ** band.x[0], 10 ** band.x[-1]) == pytest.approx((1e-4, 3e-2))


def test_bands_hold_two_standard_deviations_of_the_predictions(past, model):
    panel = slices(past, model).panels[0]
    [band] = [series for series in panel.series if series.kind == "band"]
    rows = model.rows([point.config for point in model.slices[panel.x_label]])
    time_s, spread = model.predictions.modelled_time
    assert np.log(np.array(band.y) / np.array(band.low)) == pytest.approx(4 * spread[rows])
    assert np.sqrt(np.array(band.y) * np.array(band.low)) == pytest.approx(time_s[rows])


@pytest.mark.filterwarnings("error")
def test_a_band_that_ends_beyond_all_numbers_is_infinite_without_a_warning(past, model):
    time_s, spread = model.predictions.modelled_time
    kept = {name: getattr(model.predictions, name) for name in ("measured", "candidates")}
    wide = SimpleNamespace(modelled_time=(time_s, spread + 1e4), nrmse=None, **kept)
    figure = slices(past, replace(model, predictions=wide))
    [band] = [series for series in figure.panels[0].series if series.kind == "band"]
    assert set(band.y) == {np.inf}
    assert set(band.low) == {0}


def test_the_shares_of_a_panel_add_up_to_100(model):
    figure = importance(model)
    assert len(figure.panels) == 2
    for panel in figure.panels:
        assert sum(panel.series[0].x) == pytest.approx(100)


def test_the_cards_limit_is_a_line_of_the_memory_frontier(past, model):
    start = past.events[0] | {"traits": past.events[0]["traits"] | {"capacity_gib": 40.0}}
    other = PastRun(folder=past.folder, study=past.study, events=(start, *past.events[1:]))
    [panel] = memory(other, model).panels
    assert panel.lines == ((40.0, "the device has 40 GiB"),)
    assert memory(past, model).panels[0].lines == ()


def test_models_that_cannot_be_built_cost_their_figures_and_no_more(past, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("a <b>zero</b>")

    monkeypatch.setattr("tuner.report.model.knowledge_of", fails)
    said = model_of(past)
    assert said == "The models could not be built (ZeroDivisionError: a <b>zero</b>)."
    shown = [importance(said), slices(past, said), lattice_map(past, said)]
    assert not any(figure.panels for figure in shown)
    assert page(past, shown).count("(ZeroDivisionError: a &lt;b&gt;zero&lt;/b&gt;)") == 3
    assert time_parts(past, said).panels  # what was measured


def test_before_the_first_epoch_there_is_a_sentence_instead(past):
    early = replace(past, events=past.events[:2])
    assert "nothing for a model to learn from" in model_of(early)
