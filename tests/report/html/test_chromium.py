"""The page in a real Chromium: it draws every figure, says nothing on the console and asks for nothing."""

import csv
import shutil

import pytest

from tuner.report.past import read_past_run
from tuner.simulate.session import run_simulated, simulated
from tuner.spec import load_study

selenium = pytest.importorskip("selenium")
pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs chromium and chromium-driver (apt-get install chromium chromium-driver)",
)
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)


@pytest.fixture
def browser(tmp_path):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in [*ARGUMENTS.split(), f"--user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def test_the_page_draws_sorts_and_asks_for_nothing(browser, tmp_path):
    _, folder, _ = run_simulated(simulated(load_study("cpu.yaml")), tmp_path / "runs", lambda *_: None)
    past = read_past_run(folder)
    browser.get((folder / "report.html").as_uri())
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].map(e => e.querySelectorAll("
        "'.scatterlayer .point, .scatterlayer path.js-line, .barlayer .point').length)"
    )
    assert len(drawn) == 5
    assert all(drawn), drawn
    assert browser.find_element("id", "verdict").text == past.result.sentence
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    column = list(rows[0]).index("time_s")
    cells = (
        f"return [...document.querySelector('#trials tbody').rows].map(r => r.cells[{column}].textContent)"
    )
    assert browser.execute_script(cells) == [row["time_s"] for row in rows]
    browser.execute_script(f"document.querySelectorAll('#trials th button')[{column}].click()")
    assert browser.execute_script(cells) == sorted((row["time_s"] for row in rows), key=float)
    assert browser.get_log("browser") == []
