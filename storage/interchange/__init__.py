"""Data from elsewhere and to elsewhere: files read into typed batches, merged into storage, and written out again."""
