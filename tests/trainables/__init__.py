"""Facts about the stages and their measuring."""
