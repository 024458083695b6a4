"""Judges studies on real Ray by the exhaustively measured grid of the CPU study."""
