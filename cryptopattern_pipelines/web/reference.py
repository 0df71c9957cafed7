"""The OpenAPI document as something to read: operations, and the shapes of what they answer.

What belongs here: what of the document is told, in which order. What does not: the document (FastAPI makes it). Swagger
UI, which FastAPI would load from a CDN, is 1.7 MB of script and 190 kB of style (5.35.0) and starts by an inline script;
this page is 100 kB in all, works offline, on a phone and with a screen reader. Tools read `/openapi.json`.
"""

from collections.abc import Mapping
from typing import Any

_FORMS = {"date-time": "time", "binary": "bytes", "date": "date"}
_ERROR = "ErrorAnswer"


def reference(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of an OpenAPI document: `title`, `about`, `operations`, `shapes`."""
    operations = [
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    shapes = document.get("components", {}).get("schemas", {})
    return {
        "title": document["info"]["title"],
        "about": document["info"].get("description", ""),
        "operations": operations,
        "shapes": [_shape(name, schema) for name, schema in sorted(shapes.items()) if "properties" in schema],
    }


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = []
    for status, told in operation["responses"].items():
        content = told.get("content", {})
        kinds = [kind for kind in content if kind != "application/json"]
        schema = content.get("application/json", {}).get("schema", {})
        shape = _type(schema) if schema and not schema.get("$ref", "").endswith(f"/{_ERROR}") else None
        answers.append({"status": status, "told": told.get("description", ""), "shape": shape, "kinds": kinds})
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
                "type": _type(parameter["schema"]),
                "limits": _limits(parameter["schema"]),
                "told": parameter.get("description", "") or parameter["schema"].get("description", ""),
            }
            for parameter in operation.get("parameters", [])
        ],
        "body": [{"kind": kind, "shape": _type(content["schema"])} for kind, content in body.items()],
        "answers": sorted(answers, key=lambda answer: answer["status"]),
    }


def _shape(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    needed = schema.get("required", [])
    return {
        "name": name,
        "about": schema.get("description", ""),
        "fields": [
            {
                "name": field,
                "type": _type(of),
                "limits": _limits(of),
                "required": field in needed,
                "told": of.get("description", ""),
            }
            for field, of in schema["properties"].items()
        ],
    }


def _type(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A type in words, and the name of the shape that it links to where it is one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"words": name, "link": name}
    if "anyOf" in schema:
        parts = [_type(part) for part in schema["anyOf"]]
        return {
            "words": " or ".join(dict.fromkeys(part["words"] for part in parts)),
            "link": next((part["link"] for part in parts if part["link"]), None),
        }
    if schema.get("type") == "array":
        of = _type(schema.get("items", {}))
        return {"words": f"list of {of['words']}", "link": of["link"]}
    if "const" in schema:
        return {"words": str(schema["const"]).lower(), "link": None}
    if "enum" in schema:
        return {"words": ", ".join(map(str, schema["enum"])), "link": None}
    kind = _FORMS.get(schema.get("format", "")) or schema.get("type", "anything")
    return {"words": kind, "link": None}


def _limits(schema: Mapping[str, Any]) -> str:
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
