"""Trains the bundled stage, keeps its trials and fits its cost law; the scripts share this."""
