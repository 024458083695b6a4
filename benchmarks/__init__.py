"""Where the figures of README and docs come from; every script runs with one command.

Scripts print what they find and end with one line of JSON. They know `tuner` and `trainables`;
neither knows them.
"""
