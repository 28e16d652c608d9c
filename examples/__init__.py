"""Applications of neural networks on real data, each with its measured result: ``python -m examples NAME``."""
