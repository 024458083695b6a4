"""The rule of docs/how-to/own-rule-or-sampler.md keeps the contract, by the check of the page."""

import re

from tests.importing import make_importable
from tests.processes import ROOT

PAGE = (ROOT / "docs/how-to/own-rule-or-sampler.md").read_text()
RULE, SAMPLER, CHECK = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_what_the_page_shows_passes_the_pages_check(tmp_path, monkeypatch):
    for name, text in (("my_rules", RULE), ("my_samplers", SAMPLER)):
        assert f"`{name}.py`" in PAGE
        (tmp_path / f"{name}.py").write_text(text)
    make_importable(monkeypatch, tmp_path, "my_rules", "my_samplers")
    exec(CHECK, {})  # noqa: S102  # code of our own page
