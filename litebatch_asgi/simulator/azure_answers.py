"""What Azure adds to the answers of models: what its content filters made of them.

Shapes are those of Azure's reference of inference; nothing is ever filtered here.
"""

from __future__ import annotations

from .json_values import JSON

SAFE: JSON = {
    category: {"filtered": False, "severity": "safe"}
    for category in ("hate", "self_harm", "sexual", "violence")
}


def with_content_filters(body: JSON) -> JSON:
    """A response body with `prompt_filter_results`, and `content_filter_results` in each of its choices."""
    if "choices" not in body:
        return body
    return body | {
        "choices": [choice | {"content_filter_results": SAFE} for choice in body["choices"]],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
    }
