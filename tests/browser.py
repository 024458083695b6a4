"""A real headless Chromium for tests of pages; they are skipped where there is none."""

import pytest

from benchmarks.report.browser import has_browser, open_browser

__all__ = ["needs_chromium", "open_browser"]

needs_chromium = pytest.mark.skipif(
    not has_browser(),
    reason="needs chromium and chromium-driver (apt-get install chromium chromium-driver)",
)
