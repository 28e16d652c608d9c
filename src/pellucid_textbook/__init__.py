"""The textbook: catalogue, lessons and the classic neurons, built on the public names of pellucid."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
