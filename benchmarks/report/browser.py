"""Opens a real headless Chromium, for code that times, tests or photographs a page."""

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
    """Returns whether Chromium and its driver are installed."""
    return bool(CHROMIUM and DRIVER)


def open_browser(profile: Path, size: str = "1200,900") -> Any:
    """Starts a Chromium with an empty profile, and returns a selenium driver that the caller must quit.

    Args:
        profile: Empty folder for the browser's profile.
        size: Width and height of the window in pixels, separated by a comma.

    The driver keeps the browser's console log.
    """
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in [*ARGUMENTS.split(), f"--window-size={size}", f"--user-data-dir={profile}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
