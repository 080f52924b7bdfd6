"""All writes that are served: to import this is to register every module of `actions`.

A new module serves its calls by being there.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from connector.sandbox.writes import actions
from connector.sandbox.writes.engine.handlers import HANDLERS, KINDS, READERS

__all__ = ["HANDLERS", "KINDS", "READERS"]

for _module in pkgutil.iter_modules(actions.__path__):
    import_module(f"{actions.__name__}.{_module.name}")
