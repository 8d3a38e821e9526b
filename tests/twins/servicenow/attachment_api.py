# The Attachment API, /api/now/attachment. Registered by the ServiceNow twin's instance.
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from werkzeug.wrappers import Response

from ansible_collections.netops.changerail.tests.twins.kit.web import Exchange, Router, answer, nothing
from ansible_collections.netops.changerail.tests.twins.servicenow import errors
from ansible_collections.netops.changerail.tests.twins.servicenow.access import may_read, may_write
from ansible_collections.netops.changerail.tests.twins.servicenow.settings import Settings
from ansible_collections.netops.changerail.tests.twins.servicenow.store import Row, Store
from ansible_collections.netops.changerail.tests.twins.servicenow.table_api import body, found_rows, paged

TABLE = "sys_attachment"
_METADATA = (
    "sys_id", "file_name", "size_bytes", "content_type", "table_name", "table_sys_id", "download_link", "hash", "state",
    "sys_created_on", "sys_created_by", "sys_updated_on", "sys_updated_by",
)  # fmt: skip


class AttachmentApi:
    """Files on records; the platform never de-duplicates them."""

    def __init__(self, store: Store, settings: Callable[[], Settings]) -> None:
        self._store, self._settings = store, settings

    def register(self, router: Router) -> None:
        for prefix in ("/api/now/attachment", "/api/now/v1/attachment"):
            router.add("GET", prefix, self.list)
            router.add("POST", prefix + "/file", self.create)
            router.add("POST", prefix + "/upload", self.upload)
            router.add("GET", prefix + "/{sys_id}", self.read)
            router.add("GET", prefix + "/{sys_id}/file", self.download)
            router.add("PATCH", prefix + "/{sys_id}", self.rename)
            router.add("DELETE", prefix + "/{sys_id}", self.delete)

    def list(self, exchange: Exchange) -> Response:
        rows = found_rows(self._store, self._settings(), exchange, TABLE)
        page, headers = paged(exchange, rows, self._settings())
        visible = [row for row in page if may_read(exchange.account, TABLE, row, self._settings())]
        return answer({"result": [self._metadata(row) for row in visible]}, headers=headers)

    def read(self, exchange: Exchange) -> Response:
        return answer({"result": self._metadata(self._row(exchange))})

    def download(self, exchange: Exchange) -> Response:
        row = self._row(exchange)
        headers = {"X-Attachment-Metadata": json.dumps(self._metadata(row))}
        return Response(self._store.files[row["sys_id"]], 200, headers, content_type=row["content_type"])

    def create(self, exchange: Exchange) -> Response:
        request = exchange.request
        place = {name: exchange.query.get(name, "") for name in ("table_name", "table_sys_id", "file_name")}
        if not all(place.values()) or not request.content_type:
            raise errors.refused(
                400, "Missing required parameter", "table_name, table_sys_id, file_name and Content-Type are needed"
            )
        return self._store_file(exchange, place, request.content_type, request.get_data())

    def upload(self, exchange: Exchange) -> Response:
        """The multipart form: the file is its last part."""
        request = exchange.request
        place = {name: request.form.get(name, "") for name in ("table_name", "table_sys_id")}
        file = next(iter(request.files.values()), None)
        if file is None or not all(place.values()):
            raise errors.refused(400, "Missing required parameter", "table_name, table_sys_id and a file are needed")
        place["file_name"] = file.filename or "unnamed"
        return self._store_file(exchange, place, file.content_type or "application/octet-stream", file.read())

    def rename(self, exchange: Exchange) -> Response:
        row = self._row(exchange)
        self._store.update(
            TABLE, row, {"file_name": body(exchange).get("file_name", row["file_name"])}, exchange.account.user_name
        )
        return nothing()

    def delete(self, exchange: Exchange) -> Response:
        self._store.delete(TABLE, self._row(exchange)["sys_id"])
        return nothing()

    def _store_file(self, exchange: Exchange, place: dict[str, str], content_type: str, content: bytes) -> Response:
        settings = self._settings()
        record = self._store.tables.get(place["table_name"], {}).get(place["table_sys_id"])
        if record is None or not may_read(exchange.account, place["table_name"], record, settings):
            raise errors.no_record()
        if not may_write(exchange.account, TABLE):
            raise errors.acl("Insert")
        if len(content) > settings.attachment_max_bytes or content_type in settings.refused_attachment_types:
            raise errors.refused(
                400, "Invalid attachment", f"{place['file_name']} is too large or of a type that is not allowed"
            )
        values = place | {
            "content_type": content_type,
            "size_bytes": str(len(content)),
            "state": settings.attachment_state,
        }
        if settings.attachment_hash:
            values["hash"] = hashlib.sha256(content).hexdigest()
        for dummy in range(2 if exchange.fault == "duplicate" else 1):
            row = self._store.insert(TABLE, values, exchange.account.user_name)
            self._store.files[row["sys_id"]] = content
            row["download_link"] = f"{exchange.base}/api/now/attachment/{row['sys_id']}/file"
        return answer(
            {"result": self._metadata(row)}, 201, {"Location": f"{exchange.base}/api/now/attachment/{row['sys_id']}"}
        )

    def _metadata(self, row: Row) -> dict[str, str]:
        """The documented fields, and ``hash`` and ``state`` where the release has them."""
        return {name: row[name] for name in _METADATA if name != "hash" or self._settings().attachment_hash}

    def _row(self, exchange: Exchange) -> Row:
        row = self._store.tables[TABLE].get(exchange.path["sys_id"])
        if row is None or not may_read(exchange.account, TABLE, row, self._settings()):
            raise errors.no_record()
        return row
