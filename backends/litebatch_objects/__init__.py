"""Content stores for whatever is too large for the database: a folder, and buckets."""

from litebatch_objects.buckets import BucketStore as BucketStore
from litebatch_objects.folder import FolderStore as FolderStore
