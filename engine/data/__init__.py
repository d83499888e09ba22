"""Data as it is asked for: storage as the engine sees it, and the one place that answers, live or past."""
