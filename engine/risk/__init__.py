"""Risk: limits, the gate that every order passes, sizing, exits, breakers, metrics."""
