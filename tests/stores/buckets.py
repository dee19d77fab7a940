"""A server that speaks as S3 does, and so as Google's XML interface, which obstore uses."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx2

from litebatch_objects import BucketStore

BUCKET = "litebatchtests"
_SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)


class Server:
    """A running server with a bucket."""

    def __init__(self) -> None:
        self.address: str = ""
        self._under_way = 0
        self._lock = threading.Lock()

    @property
    def is_idle(self) -> bool:
        """Whether every request that has come was answered to its end."""
        return not self._under_way

    def count(self, by: int) -> None:
        """So many more requests are under way."""
        with self._lock:
            self._under_way += by


@contextmanager
def server() -> Generator[Server]:
    """Moto's server."""
    from werkzeug.serving import make_server
    from werkzeug.wsgi import ClosingIterator

    made: Any = import_module("moto.server")
    moto = made.DomainDispatcherApplication(made.create_backend_app)
    counted = Server()

    def signed(environ: dict[str, Any], start_response: Any) -> Any:
        """Google's tokens are no signatures, without which moto does not know what is meant."""
        if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):
            environ["HTTP_AUTHORIZATION"] = _SIGNATURE
        counted.count(1)
        return ClosingIterator(moto(environ, start_response), lambda: counted.count(-1))

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    running = make_server("127.0.0.1", 0, signed, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        counted.address = f"http://127.0.0.1:{running.server_port}"
        httpx2.put(f"{counted.address}/{BUCKET}").raise_for_status()
        yield counted
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def s3_store(address: str, prefix: str, bucket: str = BUCKET, **client_options: str) -> BucketStore:
    """A store in a folder of the bucket."""
    config = {
        "endpoint": address,
        "access_key_id": "test",
        "secret_access_key": "test",
        "region": "us-east-1",
    }
    client: dict[str, Any] = {"allow_http": True, **client_options}
    return BucketStore(f"s3://{bucket}/{prefix}", config=config, client_options=client)


def gcs_store(address: str, prefix: str, folder: Path) -> BucketStore:
    """A store in a folder of the bucket."""
    account = folder / "account.json"
    told = {"gcs_base_url": address, "disable_oauth": True, "client_email": "", "private_key": ""}
    account.write_text(json.dumps(told | {"private_key_id": ""}))
    config = {"service_account": str(account), "skip_signature": "true"}
    return BucketStore(f"gs://{BUCKET}/{prefix}", config=config, client_options={"allow_http": True})
