"""Why no deployment took a file, in words for its owner: without names, ids and a provider's own words."""

from __future__ import annotations

from collections.abc import Iterable

from litebatch_asgi.errors import CopyDiffers, LiteBatchError, NoClearAnswer, ProviderError, Unavailable
from litebatch_asgi.files.sending import has_no_room


def not_taken(errors: Iterable[LiteBatchError]) -> Unavailable:
    """What a client is told when every deployment refused its file or did not answer."""
    reasons = dict.fromkeys(map(_reason, errors))
    told = f": {'; '.join(reasons)}" if reasons else ""
    return Unavailable(f"No deployment of this model took the file{told}. Try the upload again later.")


def _reason(error: LiteBatchError) -> str:
    if isinstance(error, CopyDiffers):
        return error.message
    if isinstance(error, NoClearAnswer):
        return "the deployment did not answer in time"
    if not isinstance(error, ProviderError):
        return "the gateway could not go on"
    if has_no_room(error):
        return "the deployment's account holds as many files as it may, which is no limit of your key"
    if error.status is None:
        return "the deployment could not be reached"
    if error.status in (401, 403):
        return f"the deployment does not accept the gateway's key ({error.status})"
    return "the deployment asks to wait" if error.status == 429 else f"the deployment answered {error.status}"
