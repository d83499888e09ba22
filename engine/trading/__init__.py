"""The trading core: joins orders, ledger, gate and exits, inside `core.step`."""
