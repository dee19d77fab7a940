"""For whoever tests with LiteBatch or writes a part of it.

What imports pytest is not here: `StorageConformance` is in `litebatch_asgi.testing.conformance`,
`ProviderConformance` in `litebatch_asgi.testing.provider_conformance`.
"""

from litebatch_asgi.testing.memory import MemoryStorage as MemoryStorage
from litebatch_asgi.testing.samples import a_batch as a_batch
from litebatch_asgi.testing.samples import a_charge as a_charge
from litebatch_asgi.testing.samples import a_content as a_content
from litebatch_asgi.testing.samples import a_copy as a_copy
from litebatch_asgi.testing.samples import a_file as a_file
from litebatch_asgi.testing.samples import a_job as a_job
from litebatch_asgi.testing.samples import a_line_range as a_line_range
from litebatch_asgi.testing.samples import a_part as a_part
from litebatch_asgi.testing.samples import a_request as a_request
from litebatch_asgi.testing.samples import a_shard as a_shard
from litebatch_asgi.testing.samples import a_stored_part as a_stored_part
from litebatch_asgi.testing.samples import an_endpoint as an_endpoint
from litebatch_asgi.testing.samples import an_event as an_event
from litebatch_asgi.testing.samples import an_upload as an_upload
from litebatch_asgi.testing.samples import an_upload_part as an_upload_part
