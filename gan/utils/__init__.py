"""Shared tools: quiet TensorFlow set-up, parallel work, progress bars and the style of plots."""
