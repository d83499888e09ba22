"""SQLite, Parquet and retention. Nothing is built here yet."""
