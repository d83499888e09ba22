"""The database: one writer, many readers, packed old days, copies; data from elsewhere and to elsewhere."""
