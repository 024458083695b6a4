"""Measures how long the report of a long run takes to build and to open, and how large it is.

    python -m benchmarks.report            # 5,000 trials
    python -m benchmarks.report --quick    # 200 trials, one repeat

The run is made up (benchmarks/report/made_up_run.py). Opening is timed in a headless Chromium with an empty
profile, from navigation until the first screens are drawn and the page answers. The page draws the figures
below them when they come near, or when it has nothing else to do. The last line is one line of JSON.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.report.browser import has_browser, open_browser
from benchmarks.report.made_up_run import write_run
from tuner.report.html import write_report
from tuner.runs.past_run import read_past_run
from tuner.spec import load_study


def opened_s(page: Path) -> tuple[float, float] | None:
    """Opens the page and returns the seconds until its first screens are drawn, and until all of it is.

    Returns None if Chromium is not installed.
    """
    if not has_browser():
        return None
    from selenium.webdriver.support.ui import WebDriverWait

    with tempfile.TemporaryDirectory() as profile:
        driver = open_browser(Path(profile))
        try:
            driver.get(page.as_uri())
            marks = "const mark = document.documentElement.dataset;"
            asked = f"{marks} return mark.drawnMs && [mark.openMs, mark.drawnMs]"
            opened, drawn = WebDriverWait(driver, 60).until(lambda d: d.execute_script(asked))
        finally:
            driver.quit()
    return float(opened) / 1000, float(drawn) / 1000


def main() -> None:
    """Writes the run, times its report, and prints one line of JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="200 trials, one repeat")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    num_trials, repeats = (200, 1) if args.quick else (5000, args.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        run = write_run(Path(temporary), load_study("a100.yaml"), num_trials)
        built = []
        for _ in range(min(repeats, 3)):
            began = time.perf_counter()
            write_report(read_past_run(run))
            built.append(time.perf_counter() - began)
        page = run / "report.html"
        opened = [opened_s(page) for _ in range(repeats)]
        known = [seconds for seconds in opened if seconds is not None]
        first, whole = [one for one, _ in known], [one for _, one in known]
        print(
            f"load average {os.getloadavg()[0]:.1f}; built in {_listed(built)} s, opened in "
            f"{_listed(first)} s, every figure drawn after {_listed(whole)} s"
        )
        size_mb = page.stat().st_size / 1e6
    summary = {"build_s": round(median(built), 2), "size_mb": round(size_mb, 2)}
    if known:
        summary |= {"open_s": round(median(first), 2), "drawn_s": round(median(whole), 2)}
    print(json.dumps({**summary, "num_trials": num_trials}))


def _listed(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values) or "no browser"


if __name__ == "__main__":
    main()
