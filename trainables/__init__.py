"""The code that runs on the worker: training stages that Ray Tune can start, measure, stop and resume.

Knows ``ray.tune.Trainable`` and, inside a stage, torch. Knows nothing of ``tuner``: a study names a
stage by the string ``"module:Class"`` and the two exchange plain dicts. This package's root must
stay free of torch, so that naming it costs nothing.
"""
