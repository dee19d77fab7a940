"""Makes of a JSON Schema one that a provider takes, with the same meaning, or refuses it.

References are put in place, arrays of types become alternatives, and what says nothing of values is left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from litebatch_asgi.dialects.refusal import Refusal, invalid, unsupported
from litebatch_asgi.dialects.schemas import ANNOTATIONS, Definitions, value_type
from litebatch_asgi.dialects.values import Object, read_array, read_choice, read_object

TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")


class SchemaRules(NamedTuple):
    """What a provider takes."""

    kept: frozenset[str]
    """keywords that it takes as they are"""
    structural: frozenset[str]
    """of the keywords that hold schemas, those that it takes"""
    literals: tuple[type[Any], ...]
    """what values in `enum` and `const` may be"""
    formats: frozenset[str] | None = None
    """values of `format`; None: all"""
    is_ordered: bool = False
    """it has to be told the order of properties"""
    is_closed: bool = False
    """each object must forbid additional properties"""


def convert_schema(schema: Object, param: str, rules: SchemaRules) -> Object:
    """The schema for a provider; empty if it allows everything.

    Raises:
        Refusal: it uses what the provider has not.

    """
    return _Converter(Definitions(schema, param), rules).convert(schema, param)


class _Converter:
    def __init__(self, definitions: Definitions, rules: SchemaRules) -> None:
        self._definitions = definitions
        self._rules = rules

    def convert(self, schema: Any, param: str) -> Object:
        """What one schema comes to."""
        if schema is True:
            return {}
        if schema is False:
            raise unsupported(param, "the provider has no schema that allows nothing.")
        with self._definitions.resolved(read_object(schema, param), param) as told:
            types = told.get("type")
            if isinstance(types, list):
                return self._union(told, read_array(types, f"{param}.type"), param)
            values = told.get("enum")
            if isinstance(values, list) and None in values and "type" not in told:
                typed = {**told, "enum": [value for value in read_array(values, param) if value is not None]}
                return {"anyOf": [self._members(typed, param), {"type": "null"}]}
            return self._members(told, param)

    def _union(self, schema: Object, types: list[Any], param: str) -> Object:
        """One alternative for each type."""
        alternatives: list[Object] = []
        for index, one in enumerate(types):
            name = read_choice(one, f"{param}.type[{index}]", TYPES)
            typed = {**schema, "type": name}
            if isinstance(schema.get("enum"), list):
                typed["enum"] = [value for value in schema["enum"] if value_type(value, name)]
                if not typed["enum"]:
                    continue
            if name == "null":
                typed = {"type": "null"}
            alternatives.append(self._members(typed, param))
        if not alternatives:
            raise invalid(param, "it allows no value at all.")
        return alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}

    def _members(self, schema: Object, param: str) -> Object:
        found: Object = {}
        for keyword, value in schema.items():
            if value is None or keyword in ANNOTATIONS:
                continue
            place = f"{param}.{keyword}"
            if keyword == "format" and self._rules.formats is not None:
                found[keyword] = read_choice(value, place, self._rules.formats)
            elif keyword in self._rules.kept:
                found[keyword] = value
            elif keyword == "type":
                found["type"] = read_choice(value, place, TYPES)
            elif keyword in ("enum", "const"):
                values = read_array(value, place) if keyword == "enum" else [value]
                found["enum"] = self._literals(values, place)
            elif keyword in self._rules.structural:
                self._add_schemas(found, keyword, value, place)
            else:
                why = "the provider has no such keyword for schemas. Say it in the description instead."
                raise unsupported(place, why)
        if self._rules.is_closed:
            _check_closed(found, param)
        return found

    def _add_schemas(self, found: Object, keyword: str, value: Any, param: str) -> None:
        """Add a keyword that holds schemas."""
        if keyword in ("anyOf", "oneOf"):
            if "anyOf" in found:
                raise unsupported(param, "a schema can have either anyOf or oneOf.")
            found["anyOf"] = self._several(value, param)
        elif keyword == "prefixItems":
            found[keyword] = self._several(value, param)
        elif keyword == "properties":
            self._add_properties(found, read_object(value, param), param)
        elif keyword == "additionalProperties":
            found[keyword] = value if isinstance(value, bool) else self.convert(value, param) or True
        elif items := self.convert(value, param):
            found["items"] = items

    def _several(self, schemas: Any, param: str) -> list[Object]:
        return [self._some(one, f"{param}[{index}]") for index, one in enumerate(read_array(schemas, param))]

    def _add_properties(self, found: Object, properties: Object, param: str) -> None:
        if not properties:
            return
        found["properties"] = {name: self._some(one, f"{param}.{name}") for name, one in properties.items()}
        if self._rules.is_ordered and len(properties) > 1:
            found["propertyOrdering"] = list(properties)

    def _some(self, schema: Any, param: str) -> Object:
        """The schema, which must say something."""
        converted = self.convert(schema, param)
        if not converted:
            message = f"The provider does not take the empty schema '{param}'. Say what type its values have."
            raise Refusal("unsupported_value", param, message)
        return converted

    def _literals(self, values: list[Any], param: str) -> list[Any]:
        for index, value in enumerate(values):
            if type(value) not in self._rules.literals:
                why = "the provider does not take such a value here. Use its type instead."
                raise unsupported(f"{param}[{index}]", why)
        if not values:
            raise invalid(param, "it allows no value at all.")
        return values


def _check_closed(schema: Object, param: str) -> None:
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        why = "the provider needs it to be false, in each object."
        raise unsupported(f"{param}.additionalProperties", why)
    if not schema.keys() & {"type", "anyOf", "enum"}:
        raise unsupported(param, "the provider needs to know the type.")
