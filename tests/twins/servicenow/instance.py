# One ServiceNow instance put together: store, flow, APIs, doors. For the twin's __main__.
from __future__ import annotations

import base64
from typing import Any

from werkzeug.test import Client
from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.app import Twin, Voice
from ansible_collections.netops.changerail.tests.twins.kit.log import Log
from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router, answer
from ansible_collections.netops.changerail.tests.twins.servicenow import errors, people
from ansible_collections.netops.changerail.tests.twins.servicenow.access import Access
from ansible_collections.netops.changerail.tests.twins.servicenow.attachment_api import AttachmentApi
from ansible_collections.netops.changerail.tests.twins.servicenow.change_api import ChangeApi
from ansible_collections.netops.changerail.tests.twins.servicenow.clock import Clock
from ansible_collections.netops.changerail.tests.twins.servicenow.flow import Flow
from ansible_collections.netops.changerail.tests.twins.servicenow.page import Page
from ansible_collections.netops.changerail.tests.twins.servicenow.records import Records
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Store
from ansible_collections.netops.changerail.tests.twins.servicenow.table_api import TableApi

VOICE = Voice(
    not_found=lambda: errors.envelope(400, "Requested URI does not represent any resource", None),
    unauthorized=errors.not_authenticated,
    rate_limited=errors.rate_limited,
    error_body=errors.execution_time,
)


class Instance:
    """The twin as an application (``app``), with its records as a document to keep."""

    def __init__(self, settings: Settings, kept: dict[str, Any] | None) -> None:
        log, router = Log(), Router()
        self.app = Twin(router, VOICE, settings, log)
        self._clock = Clock(settings.clock)
        self._store = Store(self._clock, log)
        self._flow = Flow(self._store, self._clock, self._settings)
        self._access = Access(self._clock)
        self._furnish(kept)
        records = Records(self._store, self._flow)
        TableApi(self._store, records, self._settings).register(router)
        ChangeApi(self._store, records, self._flow, self._settings).register(router)
        AttachmentApi(self._store, self._settings).register(router)
        Page(self._store, self._settings).register(router)
        router.add("POST", "/oauth_token.do", self._token)
        for version in ("", "/v1"):
            router.add("POST", f"/api/now{version}/batch", self._batch)
        self.app.before, self.app.expire = self._before, self._access.expire
        self.app.administer("POST", "/_twin/clock", self._advance)
        log.clear()

    def as_dict(self) -> dict[str, Any]:
        return {"store": self._store.as_dict(), "flow": self._flow.as_dict()}

    def _settings(self) -> Settings:
        return self.app.settings

    def _furnish(self, kept: dict[str, Any] | None) -> None:
        if kept:
            self._store.restore(kept["store"])
            self._flow.restore(kept["flow"])
        else:
            people.furnish(self._store)
        people.open_doors(self._access, self._store)

    def _before(self, exchange: Exchange) -> None:
        """What precedes every request: the flow's due steps, who asks, the rate rule."""
        self._flow.run_due()
        if exchange.request.path.startswith("/api/"):
            exchange.account = self._access.identify(exchange, self._settings())
            self._access.count(exchange, exchange.account, self._settings())

    def _token(self, exchange: Exchange) -> Response:
        if exchange.request.mimetype != "application/x-www-form-urlencoded":
            return answer({"error": "invalid_request", "error_description": None}, 400)
        return self._access.token(exchange.request.form, self._settings())

    def _batch(self, exchange: Exchange) -> Response:
        """Several requests in one; each is answered as if it had come alone, as the same caller."""
        document = exchange.request.get_json()
        client = Client(self.app, Response)
        served = []
        for part in document["rest_requests"]:
            headers = [(header["name"], header["value"]) for header in part["headers"]]
            headers.append(("Authorization", exchange.request.headers.get("Authorization", "")))
            body = base64.b64decode(part.get("body", ""))
            reply = client.open(part["url"], method=part["method"], headers=headers, data=body, base_url=exchange.base)
            served.append(
                {
                    "id": part["id"],
                    "body": base64.b64encode(reply.get_data()).decode(),
                    "status_code": reply.status_code,
                    "status_text": reply.status,
                    "headers": [{"name": name, "value": value} for name, value in reply.headers.items()],
                }
            )
        return answer(
            {
                "batch_request_id": str(document["batch_request_id"]),
                "serviced_requests": served,
                "unserviced_requests": [],
            }
        )

    def _advance(self, exchange: Exchange) -> Response:
        self._clock.advance(float(exchange.request.get_json()["advance"]))
        return answer({"now": self._clock.stamp()})
