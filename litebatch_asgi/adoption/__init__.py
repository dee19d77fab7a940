"""Batches and files that were made elsewhere become managed ones.

Their ids are derived from the provider's, so that nothing is adopted twice, however often and by whom.
"""

from litebatch_asgi.adoption.adopter import Adopted as Adopted
from litebatch_asgi.adoption.adopter import Adopter as Adopter
from litebatch_asgi.adoption.adopter import Outcome as Outcome
