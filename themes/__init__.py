"""Colours and styles as data. Nothing is built here yet."""
