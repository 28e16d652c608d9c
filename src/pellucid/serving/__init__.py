"""Serving a run over HTTP: JSON and Arrow in, predictions, probabilities and explanations out.

``serve(run)`` answers until it is interrupted; ``application(run)`` is the ASGI application alone, for another server
or to be mounted in another application. `Limits` are those of requests.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
