"""The catalog: which deployments serve a virtual model, and who may use it. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Set

import msgspec

from litebatch_asgi.errors import ConfigError
from litebatch_asgi.models import Deployment, ModelPattern, Principal, UnservedModel


class ModelGroup(msgspec.Struct, frozen=True, kw_only=True):
    """The deployments behind one virtual model, by deployment id, in the order of the configuration."""

    name: str
    deployments: Mapping[str, Deployment]


class Rights(frozenset[str]):
    """Virtual models, some ending in `*`: what names of models and access groups stand for, found out once.

    They are not to be looked up again, for an access group may be called like a model that it does not hold.
    """


class Catalog:
    """All model groups and deployments of a configuration.

    `deployments` may lack ids; in the catalog each has one. Raises `ConfigError` when an explicit id is
    used for two different deployments. `warnings` tells what the operator should know. `unserved` models
    are refused by name, also where a wildcard of the others would match.
    """

    def __init__(self, deployments: Iterable[Deployment], unserved: Iterable[UnservedModel] = ()) -> None:
        self.groups: dict[str, ModelGroup] = {}
        self.deployments: dict[str, Deployment] = {}
        self.warnings: list[str] = []
        members: dict[str, dict[str, Deployment]] = {}
        for deployment in deployments:
            group = members.setdefault(deployment.model_name, {})
            deployment_id = self._id_of(deployment, group)
            named = msgspec.structs.replace(deployment, id=deployment_id)
            self.deployments.setdefault(deployment_id, named)
            group[deployment_id] = named
        if not members:
            raise ConfigError("no deployments: name at least one, with its `model_name` and `model`")
        self.groups = {name: ModelGroup(name=name, deployments=group) for name, group in members.items()}
        self._unserved = {each.model_name: each for each in unserved if each.model_name not in self.groups}
        self._access_groups = _access_groups(self.groups.values())

    def _id_of(self, deployment: Deployment, group: Mapping[str, Deployment]) -> str:
        if deployment.id is not None:
            known = self.deployments.get(deployment.id)
            if deployment.id in group or (known is not None and not _same(known, deployment)):
                raise ConfigError(f"deployment id {deployment.id!r} is used twice: give each its own `id`")
            return deployment.id
        base = deployment.identity_hash()
        candidate, number = base, 1
        while candidate in group or (
            candidate in self.deployments and not _same(self.deployments[candidate], deployment)
        ):
            number += 1
            candidate = f"{base}-{number}"
        if number > 1:
            self.warnings.append(
                f"two deployments of {deployment.model_name!r} differ in nothing that identifies them; "
                f"one is called {candidate} by its place in the list: set `id` on each"
            )
        return candidate

    def resolve(self, model: str) -> ModelGroup | None:
        """The group that serves `model`: the one of that name, else the wildcard with the longest prefix."""
        name = self._name_for(model)
        return None if name is None else self.groups.get(name)

    def unserved(self, model: str) -> UnservedModel | None:
        """The model of the configuration that `model` names, if it is one that is not served."""
        name = self._name_for(model)
        return None if name is None else self._unserved.get(name)

    def _name_for(self, model: str) -> str | None:
        """The name in the configuration that fits `model` best, served or not."""
        if model in self._unserved or (model in self.groups and not model.endswith("*")):
            return model
        wildcards = (
            name
            for name in (*self.groups, *self._unserved)
            if name.endswith("*") and model != name and model.startswith(name[:-1])
        )
        return max(wildcards, key=len, default=None)

    def deployments_for(self, model: str) -> Mapping[str, Deployment]:
        """The deployments that serve the virtual model (or group of that name), by id; none if unknown."""
        group = self.groups.get(model) or self.resolve(model)
        return group.deployments if group is not None else {}

    def deployment(self, deployment_id: str, model: str | None) -> Deployment | None:
        """The deployment of an id as it serves a virtual model; as it serves another one, if not that one."""
        served = None if model is None else self.deployments_for(model).get(deployment_id)
        return served or self.deployments.get(deployment_id)

    def may_use(self, principal: Principal, model: str) -> bool:
        """Whether a principal may use the virtual model `model`; nothing else decides it."""
        rights = self.rights_to(principal.models)
        return any(_covers(rights, name) for name in self._names_of(model))

    def _names_of(self, model: str) -> tuple[str, ...]:
        """The model's names: with and without its provider where the group `*` serves both as the same."""
        if self._provider_of_rest is None:
            return (model,)
        prefix = f"{self._provider_of_rest}/"
        other = model.removeprefix(prefix) if model.startswith(prefix) else prefix + model
        is_same = self._name_for(model) == self._name_for(other) == "*"
        is_group = bool(self.groups.keys() & {model, other})
        return (model, other) if is_same and not is_group else (model,)

    @property
    def _provider_of_rest(self) -> str | None:
        """Who alone serves the group `*`."""
        rest = self.groups.get("*")
        found = {each.provider for each in rest.deployments.values()} if rest is not None else set[str]()
        return next(iter(found)) if len(found) == 1 else None

    def prefix_of(self, provider: str) -> str | None:
        """What stands before a provider's own names of models in the names of virtual ones.

        `azure/`, where there are groups whose names begin so. Nothing, where the group `*` is the provider's
        alone. None: its own names of models are of no use here.
        """
        prefix = f"{provider}/"
        if any(name.startswith(prefix) for name in self.groups):
            return prefix
        return "" if provider == self._provider_of_rest else None

    def model_of(self, provider: str, model: str) -> str:
        """The virtual model that a provider's own name stands for; it may have the prefix before it.

        A virtual model of the provider stands for itself where that one is not served. Whoever names a
        provider gets nothing that naming the virtual model would not get.
        """
        if model.startswith(f"{provider}/"):
            return model
        named = (self.prefix_of(provider) or "") + model
        is_virtual = bool(self.deployments_for(model)) and self.is_of(provider, model)
        return model if is_virtual and not self.deployments_for(named) else named

    def nameable_providers(self) -> list[str]:
        """The providers any of whose models can be had, in the order of the configuration."""
        found = dict.fromkeys(each.provider for each in self.deployments.values())
        prefixes = {each: self.prefix_of(each) for each in found}
        return [
            each for each, prefix in prefixes.items() if prefix is not None and f"{prefix}*" in self.groups
        ]

    def has_provider(self, provider: str) -> bool:
        """Whether any group is of the provider."""
        return any(_is_of(group, provider) for group in self.groups.values())

    def is_of(self, provider: str, model: str) -> bool:
        """Whether the virtual model (or group of that name) is of the provider, or nobody's here."""
        group = self.groups.get(model) or self.resolve(model)
        return group is None or _is_of(group, provider)

    def patterns_of(self, provider: str) -> tuple[ModelPattern, ...]:
        """Tells the provider's virtual models, those that `is_of` knows, from all others."""
        wanted = [name for name, group in self.groups.items() if _is_of(group, provider)]
        starts = tuple(name[:-1] for name in wanted if name.endswith("*"))
        others = [name for name in self.groups if name not in wanted and name.startswith(starts)]
        return tuple(ModelPattern.of(name, is_wanted=name in wanted) for name in (*wanted, *others))

    def rights_to(self, names: Iterable[str] | None) -> Rights | None:
        """The virtual models, some ending in `*`, that these names of models and access groups stand for.

        None stands for all, here and there. Ids of deployments stand for nothing.
        """
        if names is None or isinstance(names, Rights):
            return names
        rights: set[str] = set()
        for name in names:
            rights |= self._access_groups.get(name, frozenset())
            if name not in self._access_groups or name in self.groups:
                rights.add(name)
        return Rights(rights)

    def knows(self, name: str) -> bool:
        """Whether a name stands for anything here: a model, a prefix of some, or an access group."""
        if name in self._access_groups or self.deployments_for(name):
            return True
        return name.endswith("*") and any(each.startswith(name[:-1]) for each in self.groups)

    def nearest(self, name: str) -> str | None:
        """The model or access group that was most likely meant by a name that stands for nothing."""
        known = [*(each for each in self.groups if each != "*"), *self._access_groups]
        return next(iter(difflib.get_close_matches(name, known, n=1)), None)

    def models_for(self, principal: Principal) -> list[str]:
        """The virtual models that a principal may use, in the order of the configuration.

        Of what only a group with a `*` serves, the names (or narrower prefixes) that the principal has.
        """
        rights = self.rights_to(principal.models)
        if rights is None:
            return list(self.groups)
        allowed = set(_covered(self.groups, rights))
        found: list[str] = []
        for name in self.groups:
            narrower = _covered(rights, {name}) if name.endswith("*") else ()
            served = (each for each in narrower if self.unserved(each) is None)
            found += sorted({*served, *allowed.intersection({name})})
        return list(dict.fromkeys(found))


def shared_rights(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """The virtual models that both allow: names, prefixes that end in `*`, or None for all."""
    if one is None or other is None:
        return other if one is None else one
    return Rights((*_covered(one, other), *_covered(other, one)))


def _covers(rights: Rights | None, model: str) -> bool:
    """Whether the rights allow a model, or all that a prefix with a `*` stands for."""
    return rights is None or model in _covered((model,), rights)


def _covered(names: Iterable[str], rights: Set[str]) -> Iterator[str]:
    """Those of the names that the rights allow; the prefixes among these are looked for once."""
    prefixes = tuple(name[:-1] for name in rights if name.endswith("*"))
    return (name for name in names if name in rights or name.startswith(prefixes))


def _is_of(group: ModelGroup, provider: str) -> bool:
    """Whether a group has a deployment of the provider, or is called like its models."""
    is_called_so = group.name.startswith(f"{provider}/")
    return is_called_so or any(each.provider == provider for each in group.deployments.values())


def _access_groups(groups: Iterable[ModelGroup]) -> dict[str, frozenset[str]]:
    members: dict[str, set[str]] = {}
    for group in groups:
        for deployment in group.deployments.values():
            for name in deployment.access_groups:
                members.setdefault(name, set()).add(group.name)
    return {name: frozenset(models) for name, models in members.items()}


def _same(one: Deployment, other: Deployment) -> bool:
    return _account(one) == _account(other)


def _account(deployment: Deployment) -> tuple[object, ...]:
    return deployment.identity_hash(), deployment.credentials
