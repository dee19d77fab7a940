"""Makes of a JSON Schema one that Vertex takes and can import, with the same meaning, or refuses it.

Source: `GenerationConfig.response_json_schema` of the aiplatform v1 API, which lists the keywords, and
`litebatch_asgi.dialects.vertex.imports`.
"""

from __future__ import annotations

from typing import Any

from litebatch_asgi.dialects.refusal import Refusal, invalid, unsupported
from litebatch_asgi.dialects.schemas import ANNOTATIONS, Definitions, value_type
from litebatch_asgi.dialects.values import Object, read_array, read_choice, read_object

KEPT = frozenset({"title", "description", "format", "minItems", "maxItems", "minimum", "maximum", "required"})
"""keywords that Vertex takes as they are"""
TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")


def vertex_schema(schema: Object, param: str, *, ordered: bool = False) -> Object:
    """The schema for Vertex; empty if it allows everything.

    Args:
        schema: the client's.
        param: its place.
        ordered: ask for properties in the order of the schema, as OpenAI does for answers.

    Raises:
        Refusal: it uses what Vertex has not, or cannot import.

    """
    return _Converter(Definitions(schema, param), ordered).convert(schema, param)


class _Converter:
    def __init__(self, definitions: Definitions, ordered: bool) -> None:
        self._definitions = definitions
        self._ordered = ordered

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
        """`type` arrays are not imported: one alternative for each type."""
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
            if keyword in KEPT:
                found[keyword] = value
            elif keyword == "type":
                found["type"] = read_choice(value, place, TYPES)
            elif keyword in ("enum", "const"):
                found["enum"] = _literals(read_array(value, place) if keyword == "enum" else [value], place)
            elif keyword in ("anyOf", "oneOf"):
                self._add_alternatives(found, read_array(value, place), place)
            elif keyword == "properties":
                self._add_properties(found, read_object(value, place), place)
            elif keyword == "items":
                if items := self.convert(value, place):
                    found["items"] = items
            elif keyword == "prefixItems":
                found[keyword] = [
                    self._some(one, f"{place}[{index}]") for index, one in enumerate(read_array(value, place))
                ]
            elif keyword == "additionalProperties":
                found[keyword] = value if isinstance(value, bool) else self.convert(value, place) or True
            else:
                why = "the provider has no such keyword for schemas. Say it in the description instead."
                raise unsupported(place, why)
        return found

    def _add_alternatives(self, found: Object, schemas: list[Any], param: str) -> None:
        if "anyOf" in found:
            raise unsupported(param, "a schema can have either anyOf or oneOf.")
        alternatives = [self._some(one, f"{param}[{index}]") for index, one in enumerate(schemas)]
        found["anyOf"] = alternatives

    def _add_properties(self, found: Object, properties: Object, param: str) -> None:
        if not properties:
            return
        found["properties"] = {name: self._some(one, f"{param}.{name}") for name, one in properties.items()}
        if self._ordered and len(properties) > 1:
            found["propertyOrdering"] = list(properties)

    def _some(self, schema: Any, param: str) -> Object:
        """The schema, which must say something: an empty one cannot be imported."""
        converted = self.convert(schema, param)
        if not converted:
            message = f"The provider cannot import the empty schema '{param}'. Say what type its values have."
            raise Refusal("unsupported_value", param, message)
        return converted


def _literals(values: list[Any], param: str) -> list[Any]:
    for index, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            why = "the provider takes strings and numbers only. Use its type instead."
            raise unsupported(f"{param}[{index}]", why)
    if not values:
        raise invalid(param, "it allows no value at all.")
    return values
