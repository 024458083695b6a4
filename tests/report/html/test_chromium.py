"""The page in a real Chromium: what it draws is what the journal says, on any screen and on paper.

Numbers of the journal are worked out here from its lines alone. One browser, and one run a kind.
"""

import base64
import csv
import json
import re
from collections import defaultdict
from itertools import pairwise
from statistics import mean

import pytest

from benchmarks.report.made_up_run import write_run
from tests.browser import needs_chromium, open_browser
from tests.studies import shipped
from tuner.report.certificate import check_rows, claim_rows, verdict_sentence
from tuner.report.conclusion import finding
from tuner.report.html.figures import figures
from tuner.report.html.page import page
from tuner.report.model import model_of
from tuner.runs.past_run import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study

pytest.importorskip("selenium")
pytestmark = needs_chromium

READABLE = 4.5
"""Contrast of text (WCAG 2.2, success criterion 1.4.3)."""

CONTRAST = """
const canvas=document.createElement('canvas').getContext('2d',{willReadFrequently:true}),known={};
function rgba(c){if(!known[c]){canvas.clearRect(0,0,1,1);canvas.fillStyle=c;canvas.fillRect(0,0,1,1);
 known[c]=[...canvas.getImageData(0,0,1,1).data];}return known[c];}
function over(top,below){const a=top[3]/255;return [0,1,2].map(k=>a*top[k]+(1-a)*below[k]);}
function behind(e){return e?over(rgba(getComputedStyle(e).backgroundColor),behind(e.parentElement)):
 [255,255,255];}
function light(c){const [r,g,b]=c.map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4;});
 return .2126*r+.7152*g+.0722*b;}
function least(){let worst=[99,''];for(const e of document.body.querySelectorAll('*')){
 if(e.closest('script,style')||!e.getClientRects().length)continue;
 if(![...e.childNodes].some(n=>n.nodeType===3&&n.data.trim()))continue;
 const style=getComputedStyle(e),back=behind(e),text=over(rgba(e.closest('svg')?style.fill:style.color),back);
 const [low,high]=[light(text),light(back)].sort((a,b)=>a-b),found=(high+.05)/(low+.05);
 if(found<worst[0])worst=[found,e.textContent.slice(0,40)];}return worst;}
"""

DRAWN = "document.documentElement.dataset.drawnMs"
INKED = """[...document.querySelectorAll('.plot .xtick text')].every(
 e=>getComputedStyle(e).fill===getComputedStyle(document.body).color)"""
FIT = """[...document.querySelectorAll('.plot')].every(
 e=>Math.abs(e.querySelector('.main-svg').getAttribute('width')-e.clientWidth)<=1)"""
"""Scripts that check that all figures are drawn, that they are in the colors of the screen's scheme, and that
they are as wide as their place."""

FIGURES = """
function figures(){return [...document.querySelectorAll('.plot')].map(e=>({id:e.id,width:e.clientWidth,
 svg:Number(e.querySelector('.main-svg')?.getAttribute('width')),
 ticks:[...e.querySelectorAll('.xtick text')].map(t=>t.style.fill)}));}
"""

TRACES = """
const gd=document.getElementById(arguments[0]),drawn=[...gd.querySelectorAll('.scatterlayer .trace')];
return gd._fullData.map(t=>({name:t.name,x:[...t.x],y:[...t.y],symbol:t.marker?.symbol,
 num:drawn.filter(e=>e.__data__[0].trace.index===t.index).map(e=>e.querySelectorAll('path.point').length)[0]}));
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = open_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """A run whose trials ended in every way; of its report the page only."""
    folder = write_run(tmp_path_factory.mktemp("runs"), load_study("a100.yaml"), 40)
    past = read_past_run(folder)
    (folder / "report.html").write_text(page(past, figures(past, model_of(past))))
    return folder


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    """A run with a recommendation and a certificate."""
    study = simulated(shipped("cpu.yaml"))
    return run_simulated(study, tmp_path_factory.mktemp("runs"), lambda *_: None)[1]


def trials_of(folder):
    """Returns each trial's entry in a journal, as it stands there."""
    trials = {}
    for line in (folder / "journal.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "ask" and event["answer"]["kind"] == "run":
            answer = event["answer"]
            trials[answer["trial_id"]] = {**answer, "asked_s": event["elapsed_s"], "seen": []}
        elif event["event"] == "observe":
            trials[event["trial_id"]]["seen"].append(event["measurement"])
        elif event["event"] == "tell":
            trials[event["trial_id"]] |= {**event, "told_s": event["elapsed_s"]}
    return list(trials.values())


def in_state(trials, state):
    return [trial for trial in trials if trial["state"] == state]


def until(browser, asked):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(f"return {asked}"))


def look(browser, scheme="light", width=1200, media=""):
    """The screen, or the paper."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": [feature]})


def show(browser, folder, **how):
    """Opens a report, unless it is open, until everything on it is drawn in the colors of the scheme."""
    look(browser, **how)
    if browser.current_url != (folder / "report.html").as_uri():
        browser.get((folder / "report.html").as_uri())
    until(browser, DRAWN)
    until(browser, INKED)


def traces(browser, figure, panel=0):
    """Returns the traces that Plotly drew in a panel, by name."""
    return {t["name"]: t for t in browser.execute_script(TRACES, f"plot-{figure}-{panel}")}


def points(trace):
    return sorted(zip(trace["x"], trace["y"], strict=True))


def near(pairs):
    return [pytest.approx(pair, rel=1e-5) for pair in sorted(pairs)]


def last_points(trace):
    """Returns the last point of each line of a trace; a point (None, None) divides lines."""
    pairs = [*zip(trace["x"], trace["y"], strict=True)]
    return sorted(a for a, b in pairwise(pairs) if b == (None, None))


def test_a_print_from_a_dark_screen_is_dark_on_white_and_has_every_figure(browser, made_up):
    """Figures to which nobody has scrolled are there too: idle drawing is held back here."""
    held = {"source": "window.requestIdleCallback=f=>{window.held=f}"}
    script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", held)
    look(browser, "dark")
    browser.get((made_up / "report.html").as_uri())
    until(browser, "document.documentElement.dataset.openMs")
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    see = "{figures:figures(),least:least(),page:getComputedStyle(document.body).backgroundColor}"
    kept = f"addEventListener('beforeprint',()=>{{window.printed={see}}})"
    before = browser.execute_script(f"{CONTRAST}{FIGURES}{kept};return {see}")
    assert not all(one["svg"] for one in before["figures"])  # so that there is something left to draw
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    printed = browser.execute_script("return window.printed")
    assert all(one["ticks"] for one in printed["figures"])
    assert {fill for one in printed["figures"] for fill in one["ticks"]} == {"rgb(28, 30, 33)"}
    widths = [one["width"] for one in printed["figures"]]
    assert [one["svg"] for one in printed["figures"]] == pytest.approx(widths, abs=1)
    assert max(one["svg"] for one in printed["figures"]) == 690
    assert printed["page"] == "rgb(255, 255, 255)"
    assert printed["least"][0] >= READABLE, printed["least"]
    boxes = [[*map(float, box.split())] for box in re.findall(rb"/MediaBox \[([^]]*)\]", pdf)]
    assert len(boxes) >= 6
    assert [box[2] > box[3] for box in boxes].count(True) >= 1  # the table of all trials lies across
    browser.execute_script("window.held()")
    until(browser, DRAWN)
    after = browser.execute_script(f"{CONTRAST}{FIGURES};return {see}")
    assert {fill for one in after["figures"] for fill in one["ticks"]} == {"rgb(230, 231, 234)"}
    widths = [one["width"] for one in before["figures"]]
    assert [one["svg"] for one in after["figures"]] == pytest.approx(widths, abs=1)
    look(browser, "dark", media="print")
    style = "const s=getComputedStyle(document.body);return [s.color,s.backgroundColor,s.printColorAdjust]"
    assert browser.execute_script(style) == ["rgb(28, 30, 33)", "rgb(255, 255, 255)", "exact"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_and_the_console_is_silent(browser, made_up, scheme):
    show(browser, made_up, scheme=scheme)
    found, text = browser.execute_script(f"{CONTRAST};return least()")
    assert found >= READABLE, text
    assert browser.get_log("browser") == []


def test_times_and_nrmse_are_those_of_the_journal_and_stopped_trials_are_apart(browser, made_up):
    trials = trials_of(made_up)
    full, stopped = in_state(trials, "complete"), in_state(trials, "stopped")
    assert {trial["state"] for trial in trials} == {"complete", "stopped", "failed", "infeasible"}
    show(browser, made_up)
    drawn = traces(browser, "pareto")
    filled, hollow = drawn["full budget, measured"], drawn["stopped early, projected"]
    assert points(filled) == near((t["seen"][-1]["time_s"], t["seen"][-1]["nrmse"]) for t in full)
    assert (filled["symbol"], filled["num"]) == ("circle", len(full))
    projected = [(t["seen"][-1], t["num_epochs"] / len(t["seen"])) for t in stopped]
    assert points(hollow) == near((last["time_s"] * more, last["nrmse"]) for last, more in projected)
    assert (hollow["symbol"], hollow["num"]) == ("circle-open", len(stopped))


def test_curves_end_where_the_journal_says_and_a_cross_stands_where_one_was_stopped(browser, made_up):
    trials = trials_of(made_up)
    show(browser, made_up)
    drawn = traces(browser, "curves")
    for name, state in (("full budget", "complete"), ("stopped early", "stopped")):
        ends = [(t["seen"][-1]["epoch"], t["seen"][-1]["nrmse"]) for t in in_state(trials, state)]
        assert last_points(drawn[name]) == near(ends)
    crosses = drawn["where it was stopped"]
    assert points(crosses) == near(ends)
    assert (crosses["symbol"], crosses["num"]) == ("x-thin-open", len(ends))


def test_bars_of_the_budget_are_the_seconds_between_asking_and_telling(browser, made_up):
    spent = defaultdict(float)
    for trial in trials_of(made_up):
        spent[trial["purpose"]] += trial["told_s"] - trial["asked_s"]
    show(browser, made_up)
    bars = {name: sum(trace["x"]) for name, trace in traces(browser, "budget").items()}
    assert bars == pytest.approx(spent, rel=1e-5)


def test_the_memory_frontier_has_every_peak_and_what_ran_out_of_memory(browser, made_up):
    peaks = defaultdict(list)
    for trial in trials_of(made_up):
        rows = trial["config"]["micro_batch"] * trial["config"]["num_taus"]
        peaks[trial["constraint"]].append((rows, max(seen["peak_memory_gib"] for seen in trial["seen"])))
    show(browser, made_up)
    drawn = traces(browser, "memory")
    assert points(drawn["ran"]) == near(peaks[""])
    assert points(drawn["out of memory"]) == near(peaks["memory"])
    assert drawn["out of memory"]["num"] == len(peaks["memory"])


def test_the_map_marks_each_configuration_by_the_strongest_that_happened_there(browser, made_up):
    strength = ["complete", "stopped", "infeasible", "failed"]
    states = defaultdict(set)
    for trial in trials_of(made_up):
        states[tuple(trial["config"].values())].add(trial["state"])
    strongest = [min(each, key=strength.index) for each in states.values()]
    show(browser, made_up)
    names = ["measured at full budget", "stopped early", "infeasible: out of memory or diverged", "failed"]
    num_panels = browser.execute_script("return document.querySelectorAll('#lattice .plot').length")
    drawn = [traces(browser, "lattice", k) for k in range(num_panels)]
    found = [sum(panel[name]["num"] for panel in drawn if name in panel) for name in names]
    assert found == [strongest.count(state) for state in strength]


@pytest.mark.parametrize("run", ["made_up", "certified"])
def test_on_a_narrow_screen_only_tables_of_figures_scroll_sideways(browser, request, run):
    show(browser, request.getfixturevalue(run), width=400)
    until(browser, FIT)
    width, screen = browser.execute_script("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert (width <= screen, screen) == (True, 400)
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter(e=>e.scrollWidth>e.clientWidth)"
        ".map(e=>e.querySelector('table').className||e.closest('section').id)"
    )
    assert "all-trials" in wide
    assert set(wide) <= {"results", "all-trials"}


def test_the_page_draws_sorts_and_asks_for_nothing(browser, certified):
    past = read_past_run(certified)
    show(browser, certified)
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].map(e => [e.id, e.querySelectorAll("
        "'.scatterlayer .point, .scatterlayer path.js-line, .barlayer .point, .heatmaplayer image').length])"
    )
    keys = {name.split("-", 1)[1].rsplit("-", 1)[0] for name, _ in drawn}
    shown = figures(past, model_of(past))
    assert keys == {one.key for one in shown}
    assert len(drawn) == sum(len(one.panels) for one in shown)
    assert all(num for _, num in drawn), drawn
    winner = json.loads((certified / "result.json").read_text())["recommended"]["config"]
    runs = [t["seen"][-1] for t in trials_of(certified) if t["config"] == winner]
    [star] = [t for t in traces(browser, "pareto").values() if t["symbol"] == "star"]
    best = (mean(run["time_s"] for run in runs), mean(run["nrmse"] for run in runs))
    assert points(star) == near([best])
    assert browser.find_element("id", "verdict").text == finding(past.result)
    certificate = past.result.conclusion.certificate
    said = browser.find_element("css selector", ".badge").text
    assert said.lower() == verdict_sentence(certificate).lower()
    cells = "return [...document.querySelectorAll('#certificate tbody td')].map(e => e.textContent)"
    seen = browser.execute_script(cells)
    for check, (title, _, said, _) in zip(certificate.checks, check_rows(certificate), strict=True):
        assert {title, f"simulated: {check.outcome.value}", said} <= set(seen)
    for claim, (promised, _, said) in zip(certificate.claims, claim_rows(certificate), strict=True):
        assert {promised, f"simulated: {claim.finding.value}", said} <= set(seen)
    rows = list(csv.DictReader((certified / "trials.csv").read_text().splitlines()))
    column = list(rows[0]).index("time_s")
    cells = (
        f"return [...document.querySelector('#trials tbody').rows].map(r => r.cells[{column}].textContent)"
    )
    times = [float(row["time_s"]) for row in rows]
    assert list(map(float, browser.execute_script(cells))) == pytest.approx(times, rel=1e-5)
    browser.execute_script(f"document.querySelectorAll('#trials th button')[{column}].click()")
    assert list(map(float, browser.execute_script(cells))) == pytest.approx(sorted(times), rel=1e-5)
    assert browser.get_log("browser") == []
