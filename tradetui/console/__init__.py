"""The console: a trading desk in the terminal, a client of the engine."""
