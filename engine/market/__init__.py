"""The market as pure state: books, bars, the consolidated order book, flow, prices."""
