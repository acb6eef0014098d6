"""Files on disk: run folders, saved models, metadata, training states, and how they are written and checked."""
