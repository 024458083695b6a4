"""Measures the bundled stage's engine, trick by trick, and the machine's limits."""
