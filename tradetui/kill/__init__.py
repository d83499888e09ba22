"""The kill switch as a process of its own: it cancels and closes at the venues without the engine, storage or ccxt."""
