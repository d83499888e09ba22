"""Colours and styles as data. Pure data but for `palette`, which reads it."""
