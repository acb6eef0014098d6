"""What every room may use: TensorFlow set up quietly, work in threads, progress bars and the style of plots."""
