"""Makes the pictures of the README and the documentation, all of them from one real run.

    make tune
    python -m benchmarks.pictures runs/last    # into docs/images

The script photographs the run's report and the real optuna-dashboard on its storage, in a headless Chromium.
It also draws the terminal's live view from the run's journal, as it was when `--share` of the run's events
had happened. The last line is one line of JSON: where the run stood in that view.
"""

import argparse
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.report.browser import open_browser
from tuner.report.live import LiveView
from tuner.runs.past_run import PastRun, read_past_run
from tuner.runs.progress import Progress
from tuner.runs.restore import advisor_of

PATIENCE_S = 60


def main() -> None:
    """Writes all pictures, and prints where the run stood when the terminal's picture was taken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of the run")
    parser.add_argument(
        "--share", type=float, default=0.7, help="share of its events that the terminal shows"
    )
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    past = read_past_run(args.folder)
    photograph_report(past.folder / "report.html", args.output)
    photograph_dashboard(past.folder / "optuna.sqlite3", args.output)
    print(json.dumps(draw_terminal(past, args.share, args.output / "terminal.svg")))


def photograph_report(page: Path, output: Path) -> None:
    """Photographs the page's top, its models' figures in dark colours, and its top on a phone."""
    with browser("1200,900") as driver:
        driver.get(page.resolve().as_uri())
        wait_for(lambda: driver.execute_script("return document.documentElement.dataset.drawnMs"))
        top, map_end = edges(driver, "pareto", "bottom"), edges(driver, "lattice", "bottom")
        photograph(driver, output / "report-light.png", 0, top)
        scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        photograph(driver, output / "report-dark.png", edges(driver, "time-parts", "top"), map_end)
    with browser("500,900") as driver:
        metrics = {"width": 400, "height": 900, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get(page.resolve().as_uri())
        wait_for(lambda: driver.execute_script("return document.documentElement.dataset.drawnMs"))
        photograph(driver, output / "report-narrow.png", 0, edges(driver, "certificate", "bottom"))


def edges(driver: Any, key: str, edge: str) -> float:
    """Returns the pixels from the top of the page to an edge of a section."""
    box = f"document.getElementById('{key}').getBoundingClientRect().{edge}"
    return float(driver.execute_script(f"return {box} + window.scrollY"))


def photograph(driver: Any, path: Path, top: float, bottom: float) -> None:
    """Photographs the page between two heights in pixels, and writes the picture."""
    time.sleep(1)  # colours fade in
    width = driver.execute_script("return document.documentElement.clientWidth")
    clip = {"x": 0, "y": top, "width": width, "height": bottom - top + 16, "scale": 1}
    asked = {"clip": clip, "captureBeyondViewport": True}
    path.write_bytes(b64decode(driver.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]))


def photograph_dashboard(storage: Path, output: Path) -> None:
    """Photographs the study's page in optuna-dashboard."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), "--port", str(port)]
    server = subprocess.Popen(  # noqa: S603  # our own storage, read by an installed program
        [*command, f"sqlite:///{storage}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with browser("1500,1300") as driver:
            wait_for(lambda: _answers(port))
            driver.get(f"http://127.0.0.1:{port}/dashboard/studies/1")
            wait_for(lambda: "Infeasible" in driver.find_element("tag name", "body").text)
            time.sleep(3)  # its figures move into place
            driver.save_screenshot(str(output / "optuna-dashboard.png"))
    finally:
        server.terminate()
        server.wait(timeout=20)


def draw_terminal(past: PastRun, share: float, path: Path) -> dict[str, float]:
    """Draws the live view as it was after a share of the run's events, and returns its figures then."""
    until = max(2, round(len(past.events) * share))
    cut = replace(past, events=past.events[:until])
    told_s = Progress.of_past(cut, cut.elapsed_s).told_s
    progress = replace(Progress.of(advisor_of(cut.study, cut.facts), cut.elapsed_s), told_s=told_s)
    console = Console(
        record=True, width=100, height=32, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(LiveView(progress, past.study.name))
    svg = console.export_svg(title=f"python -m tuner.run --space {past.study.name}.yaml")
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)  # a picture fetches nothing
    path.write_text(re.sub(r"<!-- .*? -->\s*", "", svg), encoding="utf-8")
    return {"trials": len(progress.records), "elapsed_s": progress.elapsed_s}


@contextmanager
def browser(size: str) -> Iterator[Any]:
    """Gives a browser with a profile of its own, and removes both at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        driver = open_browser(Path(profile), size)
        try:
            yield driver
        finally:
            driver.quit()


def wait_for(condition: Any) -> None:
    """Waits until the condition holds.

    Raises:
        TimeoutError: If it does not hold within `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not drawn within {PATIENCE_S} s")
        time.sleep(0.2)


def _answers(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
