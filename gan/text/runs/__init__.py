"""Run folders, the training loop and the report of text models."""
