"""Frames from venues and recordings, and what turns them into events."""
