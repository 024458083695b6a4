"""The page in a real Chromium: it draws every figure, says nothing on the console and asks for nothing."""

import csv

import pytest

from tests.browser import needs_chromium, open_browser
from tuner.report.html.figures import figures
from tuner.report.model import model_of
from tuner.report.past import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study

pytest.importorskip("selenium")
pytestmark = needs_chromium


@pytest.fixture
def browser(tmp_path):
    driver = open_browser(tmp_path / "profile")
    yield driver
    driver.quit()


def wait_until_drawn(browser):
    from selenium.webdriver.support.ui import WebDriverWait

    asked = "return document.documentElement.dataset.drawnMs"
    WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(asked))


def test_on_a_narrow_screen_only_tables_scroll_sideways(browser, tmp_path):
    _, folder, _ = run_simulated(simulated(load_study("cpu.yaml")), tmp_path / "runs", lambda *_: None)
    size = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get((folder / "report.html").as_uri())
    wait_until_drawn(browser)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    assert browser.execute_script("return document.querySelector('#trials').scrollWidth") > 400


def test_the_page_draws_sorts_and_asks_for_nothing(browser, tmp_path):
    _, folder, _ = run_simulated(simulated(load_study("cpu.yaml")), tmp_path / "runs", lambda *_: None)
    past = read_past_run(folder)
    browser.get((folder / "report.html").as_uri())
    wait_until_drawn(browser)
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
    full = [record for record in past.records if record.is_full_budget]
    points = browser.execute_script(
        "return document.getElementById('plot-pareto-0').data.find(t => t.name.startsWith('full budget')).y"
    )
    assert points == pytest.approx([record.nrmse for record in full], rel=1e-5)
    assert points
    assert browser.find_element("id", "verdict").text == past.result.finding
    certificate = past.result.conclusion.certificate
    said = browser.find_element("css selector", ".badge").text
    assert said.lower() == certificate.sentence.lower()
    cells = "return [...document.querySelectorAll('#certificate tbody td')].map(e => e.textContent)"
    seen = browser.execute_script(cells)
    for check in certificate.checks:
        assert {check.title, check.outcome.value, check.text} <= set(seen)
    for claim in certificate.claims:
        assert {claim.text, claim.finding.value, claim.seen} <= set(seen)
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    column = list(rows[0]).index("time_s")
    cells = (
        f"return [...document.querySelector('#trials tbody').rows].map(r => r.cells[{column}].textContent)"
    )
    times = [float(row["time_s"]) for row in rows]
    assert list(map(float, browser.execute_script(cells))) == pytest.approx(times, rel=1e-5)
    browser.execute_script(f"document.querySelectorAll('#trials th button')[{column}].click()")
    assert list(map(float, browser.execute_script(cells))) == pytest.approx(sorted(times), rel=1e-5)
    assert browser.get_log("browser") == []
