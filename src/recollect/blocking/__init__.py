"""The public surface, blocking: the same calls, driven to their end without an event loop.

Each class is in a file of the same name as its async twin.
"""

from recollect.blocking.client import Recollect
from recollect.blocking.namespace import NamespaceHandle
from recollect.blocking.session import SessionHandle
from recollect.blocking.user import UserHandle, UserPreferences

__all__ = ["NamespaceHandle", "Recollect", "SessionHandle", "UserHandle", "UserPreferences"]
