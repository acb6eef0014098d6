"""The server: TensorFlow Serving's REST routes, samples as PNG and .npz, and updates without a dropped request."""
