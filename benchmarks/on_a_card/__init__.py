"""Answers, in one call of a few minutes, everything that only a machine with a card can answer."""
