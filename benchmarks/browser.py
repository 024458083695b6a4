"""A real headless Chromium, for what times, tests or photographs a page."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


def has_browser() -> bool:
    """Whether Chromium and its driver are installed."""
    return bool(CHROMIUM and DRIVER)


def open_browser(profile: Path, size: str = "1200,900") -> Any:
    """A selenium driver of a new one with an empty profile, whose console is kept; quit it."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*ARGUMENTS.split(), f"--window-size={size}", f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
