"""Orders on their way: life cycle, ledger, fills, the paper venue and the real ones."""
