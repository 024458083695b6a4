"""Whether what the search was told beforehand (an earlier run, the stage's traits) fits its own runs."""
