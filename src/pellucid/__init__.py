"""pellucid: neural networks you can see through.

The names used most are here (``pel.Dense``, ``pel.train``); the others are in namespaces (``pel.losses``,
``pel.schedules``). ``__init__.pyi`` lists them; each is imported at its first use, so ``import pellucid`` and
``pellucid --help`` stay fast.

Example:
    >>> import pellucid as pel
    >>> network = pel.Network(pel.Dense(128, "relu"), pel.Dense(10, "softmax"))
    >>> network.names
    ('dense_1', 'relu_1', 'dense_2', 'softmax_1')
    >>> pel.losses.Huber(delta=0.5)
    Huber(reduction='mean', delta=0.5)
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
