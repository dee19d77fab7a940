"""What can be done with webhook endpoints, as the API's description tells it."""

from __future__ import annotations

from litebatch_asgi import wire
from litebatch_asgi.errors import InvalidRequest, NotFound, RequestTimeout
from litebatch_asgi.routes.operations import Link, Operation, Operations

_ITS_ID = {"id": "$response.body#/id"}

WEBHOOK_OPERATIONS: Operations = {
    "/webhook_endpoints": {
        "get": Operation(
            id="listWebhookEndpoints",
            summary="List the caller's webhook endpoints, newest first.",
            answer=wire.WebhookEndpointList,
            query=wire.WebhookListQuery,
            errors=(InvalidRequest,),
        ),
        "post": Operation(
            id="createWebhookEndpoint",
            summary="Register a receiver of webhooks. Its signing secret is told this once.",
            answer=wire.WebhookEndpointWithSecret,
            json=wire.CreateWebhookBody,
            errors=(InvalidRequest, RequestTimeout),
            links={
                "RetrieveWebhookEndpoint": Link(
                    operation="retrieveWebhookEndpoint",
                    description="Look at the endpoint.",
                    parameters=_ITS_ID,
                ),
                "RotateWebhookEndpointSecret": Link(
                    operation="rotateWebhookEndpointSecret",
                    description="Replace its secret.",
                    parameters=_ITS_ID,
                ),
                "DeleteWebhookEndpoint": Link(
                    operation="deleteWebhookEndpoint", description="Delete it.", parameters=_ITS_ID
                ),
            },
        ),
    },
    "/webhook_endpoints/{id}": {
        "get": Operation(
            id="retrieveWebhookEndpoint",
            summary="Look at a webhook endpoint.",
            answer=wire.WebhookEndpointObject,
            errors=(NotFound,),
        ),
        "post": Operation(
            id="updateWebhookEndpoint",
            summary="Change a webhook endpoint.",
            answer=wire.WebhookEndpointObject,
            json=wire.UpdateWebhookBody,
            errors=(InvalidRequest, NotFound, RequestTimeout),
        ),
        "delete": Operation(
            id="deleteWebhookEndpoint",
            summary="Delete a webhook endpoint: nothing is sent to it any more.",
            answer=wire.DeletedWebhookEndpoint,
            errors=(NotFound,),
        ),
    },
    "/webhook_endpoints/{id}/rotate_secret": {
        "post": Operation(
            id="rotateWebhookEndpointSecret",
            summary="Give a webhook endpoint a new signing secret, which is told this once.",
            answer=wire.WebhookEndpointWithSecret,
            json=wire.RotateSecretBody,
            needs_json=False,
            errors=(InvalidRequest, NotFound, RequestTimeout),
        ),
    },
    "/webhook_endpoints/{id}/test": {
        "post": Operation(
            id="testWebhookEndpoint",
            summary="Send a sample to a webhook endpoint now, and tell what it answers.",
            answer=wire.WebhookTestResult,
            json=wire.TestWebhookBody,
            errors=(InvalidRequest, NotFound, RequestTimeout),
        ),
    },
    "/webhook_event_types": {
        "get": Operation(
            id="listWebhookEventTypes",
            summary="List what webhooks can tell.",
            answer=wire.WebhookEventTypeList,
        ),
    },
}
