"""Files: received once, checked, and copied to every deployment."""

from litebatch_asgi.files.service import FileService as FileService
from litebatch_asgi.files.uploads import UploadService as UploadService
