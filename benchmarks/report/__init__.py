"""Times the report of a made-up long run, in a real browser."""
