"""The kill switch: as a process of its own, which cancels and closes at the venues without the engine, storage or ccxt;
and inside an engine."""
