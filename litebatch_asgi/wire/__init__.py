"""OpenAI's language: what our values look like as JSON, and what requests say. Pure."""

from litebatch_asgi.wire.objects import BatchList as BatchList
from litebatch_asgi.wire.objects import BatchObject as BatchObject
from litebatch_asgi.wire.objects import DeletedFile as DeletedFile
from litebatch_asgi.wire.objects import ErrorBody as ErrorBody
from litebatch_asgi.wire.objects import FileList as FileList
from litebatch_asgi.wire.objects import FileObject as FileObject
from litebatch_asgi.wire.objects import ModelList as ModelList
from litebatch_asgi.wire.objects import batch_list as batch_list
from litebatch_asgi.wire.objects import batch_object as batch_object
from litebatch_asgi.wire.objects import error_body as error_body
from litebatch_asgi.wire.objects import file_list as file_list
from litebatch_asgi.wire.objects import file_object as file_object
from litebatch_asgi.wire.objects import model_list as model_list
from litebatch_asgi.wire.requests import BATCH_ENDPOINTS as BATCH_ENDPOINTS
from litebatch_asgi.wire.requests import UPLOAD_PURPOSES as UPLOAD_PURPOSES
from litebatch_asgi.wire.requests import BatchListQuery as BatchListQuery
from litebatch_asgi.wire.requests import CreateBatch as CreateBatch
from litebatch_asgi.wire.requests import FileListQuery as FileListQuery
from litebatch_asgi.wire.requests import UploadForm as UploadForm
from litebatch_asgi.wire.requests import parse_batch_list_query as parse_batch_list_query
from litebatch_asgi.wire.requests import parse_create_batch as parse_create_batch
from litebatch_asgi.wire.requests import parse_file_list_query as parse_file_list_query
from litebatch_asgi.wire.requests import parse_upload_form as parse_upload_form
