"""Everything on disk: run folders, models, records, training states, and the files that they consist of."""
