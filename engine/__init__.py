"""The system without a screen, a database or a neural net: feeds, books, bars, COB, and the one path through them."""
