"""Decides what to run next, what may be recommended, when to probe and when to end. Makes no model."""
