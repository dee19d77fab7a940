"""The input tokens that open batches hold, and the limit that a model's queue has."""

from __future__ import annotations

from collections import Counter

from .account_context import AccountContext
from .objects import BatchProblem
from .validation import Examined


class TokenQueues:
    """One queue for each model of an account."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._held: dict[str, Examined] = {}
        self._tokens: Counter[str] = Counter()

    def hold(self, batch_id: str, examined: Examined) -> None:
        """Count the tokens of an input for its batch, once however often this is called."""
        if batch_id not in self._held:
            self._held[batch_id] = examined
            self._tokens[examined.model or ""] += examined.input_tokens

    def free(self, batch_id: str) -> None:
        """Count what the batch holds no longer, if it holds anything."""
        examined = self._held.pop(batch_id, None)
        if examined is not None:
            self._tokens[examined.model or ""] -= examined.input_tokens

    def tokens(self, model: str) -> int:
        """Input tokens that open batches of `model` hold."""
        return self._tokens[model]

    def over_limit(self, examined: Examined, batch_id: str | None = None) -> BatchProblem | None:
        """Why there is no room for this input; None: there is, or the batch holds its tokens already."""
        model, settings = examined.model or "", self._context.settings
        most = settings.most_enqueued_tokens(model)
        more = 0 if batch_id in self._held else examined.input_tokens
        if most is None or self.tokens(model) + more <= most:
            return None
        return self._context.flavour.token_limit_exceeded(model, settings)
