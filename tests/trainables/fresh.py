"""Processes that have imported the bundled stage, and done nothing else.

A server, which imports it once and then only forks, starts each of them: they share no memory with the tests'
own process, and none takes seconds to import torch and Ray.
"""

import multiprocessing

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["trainables.consistency.stage"])
