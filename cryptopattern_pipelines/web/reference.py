"""The OpenAPI document as something to read: operations, and the shapes of what they answer.

What belongs here: what of the document is told, in which order. What does not: the document (FastAPI makes it). Swagger
UI, which FastAPI would load from a CDN, is 1.7 MB of script and 190 kB of style (5.35.0), started by an inline one;
this page is 77 kB, works offline, on a phone and with a screen reader. Tools read `/openapi.json`.
"""

import re
from collections.abc import Mapping
from typing import Any

_FORMS = {"date-time": "time", "binary": "bytes", "date": "date"}
# The one shape of errors, told once for all.
_ERROR = "ErrorAnswer"

Schema = Mapping[str, Any]


def reference(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of an OpenAPI document: `about`, `operations`, `shapes`."""
    shapes = _Shapes(document["components"]["schemas"])
    return {
        # Lines end where the source's do: paragraphs alone are to stay.
        "about": re.sub(r"(?<!\n)\n(?!\n)", " ", document["info"].get("description", "")),
        "operations": [
            _operation(method, path, operation, shapes)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ],
        "shapes": shapes.told(),
    }


class _Shapes:
    """The document's schemas. `{success, data}` is taken for its `data`, since the page says that once for all."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self._schemas = schemas
        self._wrapped = {
            name: _reference(schema["properties"]["data"])
            for name, schema in self._schemas.items()
            if list(schema.get("properties", ())) == ["success", "data"]
        }

    def type(self, schema: Schema) -> dict[str, Any]:
        """A type in words, and the name of the shape that it links to where it is one."""
        if "$ref" in schema:
            name = _reference(schema)
            name = self._wrapped.get(name, name)
            return {"words": _short(name), "link": _short(name)}
        if "anyOf" in schema:
            parts = [self.type(part) for part in schema["anyOf"]]
            return {
                "words": " or ".join(dict.fromkeys(part["words"] for part in parts)),
                "link": next((part["link"] for part in parts if part["link"]), None),
            }
        if schema.get("type") == "array":
            of = self.type(schema.get("items", {}))
            return {"words": f"list of {of['words']}", "link": of["link"]}
        if "const" in schema:
            return {"words": str(schema["const"]).lower(), "link": None}
        if "enum" in schema:
            return {"words": ", ".join(map(str, schema["enum"])), "link": None}
        return {"words": _FORMS.get(schema.get("format", "")) or schema.get("type", "anything"), "link": None}

    def told(self) -> list[dict[str, Any]]:
        """Every shape with its fields; one that has all of a smaller one's is told by what it has besides."""
        shown: list[dict[str, Any]] = []
        by_size = sorted(self._schemas.items(), key=lambda named: len(named[1].get("properties", ())))
        for name, schema in by_size:
            if "properties" not in schema or name in self._wrapped:
                continue
            needed = schema.get("required", [])
            fields = [
                {
                    "name": field,
                    "type": self.type(of),
                    "limits": _limits(of),
                    "required": field in needed,
                    "told": of.get("description", ""),
                }
                for field, of in schema["properties"].items()
            ]
            base = next((one for one in shown if _family(one["name"]) == _family(_short(name))), None)
            more = fields if base is None else [field for field in fields if field not in base["fields"]]
            shown.append(
                {
                    "name": _short(name),
                    "about": schema.get("description", ""),
                    "base": None if base is None else base["name"],
                    "fields": more,
                }
            )
        return sorted(shown, key=lambda one: one["name"].lower())


def _operation(method: str, path: str, operation: Mapping[str, Any], shapes: _Shapes) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers, errors = [], []
    for status, told in sorted(operation["responses"].items()):
        content = told.get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        name = _reference(schema) if "$ref" in schema else ""
        if name == _ERROR:
            errors.append(f"{status} {told['description']}")
        else:
            kinds = [kind for kind in content if kind != "application/json"]
            shape = shapes.type(schema) if schema else None
            answers.append({"status": status, "told": told["description"], "shape": shape, "kinds": kinds})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation.get("summary", ""),
        "about": operation.get("description", ""),
        "parameters": [
            {
                "name": parameter["name"],
                "place": parameter["in"],
                "required": parameter.get("required", False),
                "type": shapes.type(parameter["schema"]),
                "limits": _limits(parameter["schema"]),
                "told": parameter.get("description", "") or parameter["schema"].get("description", ""),
            }
            for parameter in operation.get("parameters", [])
        ],
        "body": [{"kind": kind, "shape": shapes.type(content["schema"])} for kind, content in body.items()],
        "answers": answers,
        "errors": errors,
    }


def _reference(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _short(name: str) -> str:
    """A shape's name without the module that pydantic puts before it where two have the same."""
    return re.sub(r"^\w+?__api__\w+?__(?=\w)", "", name)


def _family(name: str) -> str:
    """What shapes of one name are told apart by, left out: squeeze_analyses_row__2 is of squeeze_analyses_row."""
    return re.sub(r"__\d+$", "", name)


def _limits(schema: Schema) -> str:
    """Bounds and default in words."""
    told = []
    for part in (schema, *schema.get("anyOf", ())):
        if "minimum" in part:
            told.append(f"from {part['minimum']:g}")
        if "maximum" in part:
            told.append(f"to {part['maximum']:g}")
    if schema.get("default") is not None:
        told.append(f"default {schema['default']}")
    return " ".join(told)
