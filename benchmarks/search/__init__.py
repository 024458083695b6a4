"""Compares searches with each other on simulated studies."""
