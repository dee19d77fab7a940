"""Which files are taken: for whom, for which models, and with which lines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from litebatch_asgi.catalog import Catalog
from litebatch_asgi.errors import InvalidFile, InvalidRequest, ModelAccessDenied, Problem, RequestError
from litebatch_asgi.files.cutting import mark_steps
from litebatch_asgi.files.providers import check_provider, no_own_models
from litebatch_asgi.jsonl import CheckedFile, CheckLimits, Guesses, LineChecker, MarkSteps
from litebatch_asgi.jsonl.marks import MARK_STEPS
from litebatch_asgi.models import Principal, Settings
from litebatch_asgi.runtime import Runtime
from litebatch_asgi.spool import Spool
from litebatch_asgi.wire import BATCH_ENDPOINTS


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about a file that may be taken."""

    sha256: str
    models: tuple[str, ...]
    """as `File.models`"""
    deployment_ids: tuple[str, ...]
    """where it goes: to all of them, or, without lines, to the first that takes it"""
    lines: CheckedFile | None
    """None for files that are copied as they are"""


def model_error(catalog: Catalog, principal: Principal, model: str) -> RequestError | None:
    """What stands against this principal's use of a virtual model."""
    if not catalog.may_use(principal, model):
        may = ", ".join(catalog.models_for(principal)) or "none"
        return ModelAccessDenied(f"This key may not use the model '{model[:100]}'. Models it may use: {may}.")
    if not catalog.deployments_for(model):
        models = catalog.models_for(principal)
        return InvalidRequest(
            f"The model '{model[:100]}' {_why_not(catalog, model, models)} "
            f"Models: {', '.join(models) or 'none'}.",
            param="model",
            code="model_not_found",
        )
    return None


def _why_not(catalog: Catalog, model: str, usable: Sequence[str]) -> str:
    unserved = catalog.unserved(model)
    if unserved is not None:
        return f"is in the gateway's configuration, but it is not served: {unserved.reason}."
    nearest = catalog.nearest(model[:100])
    meant = f" Did you mean '{nearest}'?" if nearest in usable else ""
    return f"does not exist here.{meant}"


class ModelCheck:
    """Which models the lines of a principal's file may name, of those that the request names if it does."""

    def __init__(
        self, catalog: Catalog, principal: Principal, targets: Sequence[str], provider: str | None = None
    ) -> None:
        self._catalog = catalog
        self._principal = principal
        self._targets = targets
        self._provider = None if targets else provider
        self.denied: RequestError | None = None
        """that the principal may not use a model that a line names"""

    def virtual(self, model: str) -> str:
        """The virtual model that is meant by the name that a line has."""
        return model if self._provider is None else self._catalog.model_of(self._provider, model)

    def problem(self, model: str) -> Problem | None:
        """What is wrong with a line that names this model."""
        virtual = self.virtual(model)
        error = model_error(self._catalog, self._principal, virtual)
        if isinstance(error, ModelAccessDenied):
            self.denied = error
        if error is not None:
            hint = self._hint() if error.code == "model_not_found" else ""
            return _line_problem(error.code or "invalid_request", error.message + hint)
        if self._provider is not None and not self._catalog.is_of(self._provider, virtual):
            message = f"The model '{model[:100]}' is not one of the provider '{self._provider}'."
            return _line_problem("mismatched_model", message)
        if self._targets and model not in self._targets:
            wanted = ", ".join(f"'{name}'" for name in self._targets)
            message = f"The model '{model[:100]}' is not among target_model_names ({wanted})."
            return _line_problem("mismatched_model", message)
        return None

    def _hint(self) -> str:
        """What more there is to say where a model is not known."""
        if self._provider is not None:
            return no_own_models(self._catalog, self._provider)
        names = self._catalog.models_for(self._principal)
        providers = ", ".join(name.removesuffix("/*") for name in names if name.endswith("/*"))
        if self._targets or not providers:
            return ""
        return f" Set custom_llm_provider where it is a provider's own name of a model: {providers}."


def line_checker(
    settings: Settings,
    model_problem: Callable[[str], Problem | None],
    thresholds: Sequence[int],
    *,
    steps: MarkSteps = MARK_STEPS,
) -> LineChecker:
    """The check that an upload's lines go through; see `LineChecker`."""
    return LineChecker(
        endpoints=BATCH_ENDPOINTS,
        limits=CheckLimits(max_lines=settings.max_file_lines, max_line_bytes=settings.max_line_bytes),
        model_problem=model_problem,
        guesses=Guesses(image=settings.estimated_image_tokens, file=settings.estimated_file_tokens),
        thresholds=thresholds,
        steps=steps,
    )


class FileCheck:
    """The check of one file, for one principal and the models the request names."""

    def __init__(
        self, runtime: Runtime, principal: Principal, targets: Sequence[str], provider: str | None = None
    ) -> None:
        self._runtime = runtime
        self._principal = principal
        self._targets = tuple(dict.fromkeys(targets))
        self._provider = provider
        self._models = ModelCheck(runtime.fleet.catalog, principal, self._targets, provider)

    async def run(self, spool: Spool, *, purpose: str) -> Admitted:
        """Look at the request's models and, if it is for batches, at every line.

        Raises `InvalidFile` with all problems of the lines, and what `request` raises.
        """
        usable = self.request(purpose=purpose)
        digest = hashlib.sha256()
        if usable is not None:
            models, deployment_ids = usable
            await spool.scan(digest.update)
            return Admitted(
                sha256=digest.hexdigest(), models=models, deployment_ids=deployment_ids, lines=None
            )
        steps = mark_steps(self._runtime.fleet, self._runtime.fleet.ids)
        checker = line_checker(
            self._runtime.settings, self._models.problem, self._runtime.prices.thresholds, steps=steps
        )

        def feed(block: bytes) -> None:
            digest.update(block)
            checker.feed(block)

        await spool.scan(feed)
        lines = await self._checked(checker)
        model = self._models.virtual(lines.model)
        return Admitted(
            sha256=digest.hexdigest(),
            models=(model, *self._others(lines.model, model)),
            deployment_ids=tuple(self._runtime.fleet.deployments_for(model)),
            lines=lines,
        )

    def request(self, *, purpose: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """Look at what is known before the file is there.

        Returns the models and deployments of a file without lines, None for one that has them. Raises
        `ModelAccessDenied` or `InvalidRequest`.
        """
        for target in self._targets:
            error = model_error(self._runtime.fleet.catalog, self._principal, target)
            if error is not None:
                if not isinstance(error, ModelAccessDenied):  # that one is of the model, wherever it is named
                    error.param = "target_model_names"
                raise error
        check_provider(self._runtime.fleet.catalog, self._provider, self._targets)
        if purpose == "batch":
            return None
        models = self._targets or self._only_model()
        return models, self._usable_by(models, purpose)

    def _others(self, written: str, model: str) -> tuple[str, ...]:
        """What a batch input is for beside the virtual model of its lines; see `File.models`."""
        if written != model:
            return (f"{model.removesuffix(written)}*",)
        return tuple(target for target in self._targets if target != model and not target.endswith("*"))

    def _usable_by(self, models: tuple[str, ...], purpose: str) -> tuple[str, ...]:
        """The deployments that can use such a file, those that have just refused something last."""
        fleet = self._runtime.fleet
        ids = dict.fromkeys(id_ for model in models for id_ in fleet.deployments_for(model))
        purposes = {id_: fleet.adapter(id_).purposes for id_ in ids}
        usable = [id_ for id_ in ids if purpose in purposes[id_]]
        if usable:
            return tuple(sorted(usable, key=lambda id_: fleet.cooldown_left(id_) > 0))
        known = ", ".join(sorted(set[str]().union(*purposes.values())))
        raise InvalidRequest(
            f"No deployment of {_listed(models)} can use a file with the purpose '{purpose}'. Purposes that "
            f"one of them can use: {known}.",
            param="purpose",
            code="unsupported_purpose",
        )

    async def _checked(self, checker: LineChecker) -> CheckedFile:
        try:
            return await self._runtime.in_executor(checker.finish)
        except InvalidFile:
            if self._models.denied is not None:
                raise self._models.denied from None
            raise

    def _only_model(self) -> tuple[str, ...]:
        """Where files go that name no model: to the only one there is, or to the group of all others."""
        catalog = self._runtime.fleet.catalog
        models = catalog.models_for(self._principal)
        if self._provider is not None:
            models = [name for name in models if catalog.is_of(self._provider, name)]
        rest = f"{catalog.prefix_of(self._provider) or ''}*" if self._provider is not None else "*"
        if rest in models:
            return (rest,)
        if len(models) != 1:
            may = ", ".join(models) or "none"
            raise InvalidRequest(
                "Say which models this file is for: set target_model_names, for instance with "
                f"extra_body={{'target_model_names': ...}}. Models: {may}.",
                param="target_model_names",
                code="missing_required_parameter",
            )
        return (models[0],)


def _listed(models: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in models)


def _line_problem(code: str, message: str) -> Problem:
    return Problem(code=code, line=None, param="body.model", message=message)
