"""The calls that change something: one module for what belongs together, each handler by the name of its call.

`core` is what a handler works with, `hands` where handlers are registered. Every module of this folder is
imported here, so that a new one serves its calls by being there.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
