"""A study names its quality figure: read with its target, told to the stage, refused where they differ."""

import pytest

from tests.spec.test_mistakes import STUDY, message
from tests.studies import make_study
from tuner.core.metric import NRMSE, Metric
from tuner.spec import study_as_yaml, study_from_text

NLL = "metric: {name: nll, range: any}\ntarget: nll < -3.2"
R2 = "metric: {name: r2, goal: maximize}\ntarget: r2 >= 0.9"
VAL_LOSS = "metric: {name: val_loss}\ntarget: val_loss <= 1.04 * baseline"
TARGET = "target: nrmse < 0.095"


def of(text):
    return study_from_text(STUDY.replace(TARGET, text).encode(), label="a.yaml")


@pytest.mark.parametrize(
    ("text", "metric", "bound", "is_strict"),
    [
        (NLL, Metric(name="nll", range="any", bound=-3.2), 1.0, True),
        (R2, Metric(name="r2", goal="maximize", range="any", bound=0.9), 1.0, False),
        (VAL_LOSS, Metric(name="val_loss"), 1.04, False),
        (TARGET, NRMSE, 0.095, True),
    ],
)
def test_the_target_knows_its_metric_and_the_bound_on_the_scale(text, metric, bound, is_strict):
    target = of(text).target
    assert (target.metric, target.bound, target.is_strict) == (metric, bound, is_strict)
    assert of(text).metric == metric


@pytest.mark.parametrize("text", [NLL, R2, VAL_LOSS])
def test_it_loads_back_and_the_stage_is_told_the_name(text):
    study = of(text)
    assert study_from_text(study_as_yaml(study).encode(), label="b.yaml") == study
    assert study.stage.options["quality_metric"] == study.metric.name
    assert "quality_metric" not in study_as_yaml(study)
    assert study.study_hash() != of(TARGET).study_hash()


def test_a_study_that_names_nrmse_is_the_one_that_names_nothing():
    plain, named = of(TARGET), of(f"metric: {{name: nrmse, goal: minimize}}\n{TARGET}")
    assert (named, named.study_hash()) == (plain, plain.study_hash())
    assert "metric" not in plain.as_dict()
    assert "quality_metric" not in plain.stage.options


def test_what_is_met_is_met_in_the_metrics_own_direction():
    r2, nll = make_study(metric={"name": "r2", "goal": "maximize"}, target="r2 >= 0.9").target, of(NLL).target
    assert [r2.is_met(r2.metric.on_scale(v), None) for v in (0.89, 0.9, 0.91)] == [False, True, True]
    assert [nll.is_met(nll.metric.on_scale(v), None) for v in (-3.3, -3.2, -3.1)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            NLL.replace("target: nll", "target: nl"),
            "19: the target is on 'nl', but only nll is reported as quality. "
            "Fix: did you mean 'nll'? Else write an absolute bound: `nll < -3.2`.",
        ),
        (
            f"metric: {{name: val_loss}}\n{TARGET}",
            "19: the target is on 'nrmse', but only val_loss is reported as quality. "
            "Fix: write `val_loss < 0.5` or `val_loss <= 1.04 * baseline`.",
        ),
        (
            NLL.replace("<", ">="),
            "19: the target 'nll >= -3.2' bounds nll from below, but metric.goal is minimize. "
            "Fix: write an absolute bound: `nll < -3.2`; or set metric.goal: maximize.",
        ),
        (
            R2.replace(">=", "<"),
            "19: the target 'r2 < 0.9' bounds r2 from above, but metric.goal is maximize. "
            "Fix: write an absolute bound: `r2 >= 0.9`; or set metric.goal: minimize.",
        ),
        (
            NLL.replace("-3.2", "1.04 * baseline"),
            "19: the target 'nll < 1.04 * baseline' is a multiple of the baseline's nll, which means nothing "
            "where metric.range is any. Fix: write an absolute bound: `nll < -3.2`.",
        ),
        (
            R2.replace("0.9", "1.04 * baseline"),
            "19: the target 'r2 >= 1.04 * baseline' is a multiple of the baseline's r2, which means nothing "
            "where metric.goal is maximize. Fix: write an absolute bound: `r2 >= 0.9`.",
        ),
        (
            VAL_LOSS.replace("1.04 * baseline", "-3.2"),
            "19: the bound of the target 'val_loss <= -3.2' is not positive. "
            "Fix: write `val_loss < 0.5` or `val_loss <= 1.04 * baseline`; or set metric.range: any.",
        ),
        (NLL.replace("-3.2", "1e999"), "19: the bound of the target 'nll < 1e999' is not finite. "),
        (
            R2.replace("goal: maximize", "goal: maximize, range: positive"),
            "18: metric.range: positive is for a figure of which less is better. Fix: leave range out.",
        ),
        (
            TARGET + "\nmetric: {range: any}",
            "19: metric: nrmse is the name of an error above 0, of which less is better. "
            "Fix: give the metric a name of its own, here and in target.",
        ),
        (
            NLL.replace("nll", "loss"),
            "18: metric.name=loss is the name of something else that reports and tables hold. "
            "Fix: call it val_loss, say, here and in target.",
        ),
        (NLL.replace("nll", "num_taus"), "18: metric.name=num_taus is the name of something else"),
        (NLL.replace("name: nll", "name: n l l"), "18: metric.name"),
        (NLL.replace("range: any", "range: all"), "18: metric.range is 'all'. Fix: use 'positive' or 'any'."),
        (NLL.replace("range", "rang"), "18: unknown key 'rang' in metric. Fix: did you mean 'range'?"),
    ],
)
def test_what_does_not_fit_is_one_message_with_its_line(text, told):
    assert message(STUDY.replace(TARGET, text)).startswith(f"a.yaml:{told}")


def test_the_option_that_tells_the_stage_is_not_the_users():
    told = message(STUDY.replace("options: {}\n  num_epochs", "options: {quality_metric: x}\n  num_epochs"))
    assert told.startswith("a.yaml:6: quality_metric is not an option to be set")
    assert "metric: {name: ...}" in told
