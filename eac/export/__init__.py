"""A run's model as a program of its own: torch.export and ONNX."""
