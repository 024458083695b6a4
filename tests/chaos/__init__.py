"""Kills the processes of a run at random moments, again and again, and compares what comes of it."""
