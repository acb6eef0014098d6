"""Exported generators, and the engines that run them: TensorFlow, ONNX Runtime, LiteRT."""
