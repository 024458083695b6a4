"""What comes from outside, spoilt in every way: one module a target, for hypothesis and for atheris.

A target has `SEEDS`, real inputs; `WORDS`, pieces that have broken parsers before; and `check(data)`, which
raises for anything but the right answer. `test_fuzz.py` gives it a few hundred spoilt seeds in the suite, and
`make fuzz` (`python -m tests.fuzz`) looks for more of them for as long as you like.
"""
