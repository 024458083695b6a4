"""Runs a study's trials on Ray Tune; the only room that knows ray.

A thin translation: Tune's searcher and scheduler hooks become calls to the advisor, its answers
become configurations and CONTINUE or STOP. No decision is taken here.
"""
