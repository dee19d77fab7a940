"""The API's reference at `/docs`: its description as one page of HTML, which loads nothing else."""

from litebatch_asgi.server.docs.answer import DocsPage as DocsPage
