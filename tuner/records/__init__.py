"""The run's memory: a folder per run and, in it, an append-only journal of every event.

Knows files, not meaning: what the events say is the advisor's business.
"""
