"""Translates between OpenAI's batch lines and providers that do not speak OpenAI, without I/O.

On the way up `Dialect.encode` writes each line anew; on the way back `Dialect.decode` reads each row, and
`Answer.row` writes it as OpenAI would:

    dialect = VertexDialect(GeminiModel.named("gemini-2.5-flash"))
    sent = dialect.encode(line, 7)              # bytes, or a Problem that names line, parameter and why
    answer = dialect.decode(row)
    answer.line                                 # 7
    answer.row(custom_id, job=job_id, line=7, created=now)

What becomes of each parameter is told by a table a provider: `vertex.table`, `anthropic.table`,
`mistral.table`.
"""

from litebatch_asgi.dialects.answers import Answer as Answer
from litebatch_asgi.dialects.decoding import EchoedLines as EchoedLines
from litebatch_asgi.dialects.decoding import ResultDecoder as ResultDecoder
from litebatch_asgi.dialects.decoding import TranslatedRows as TranslatedRows
from litebatch_asgi.dialects.echoes import line_digest as line_digest
from litebatch_asgi.dialects.encoding import FileEncoder as FileEncoder
from litebatch_asgi.dialects.encoding import encode_alike as encode_alike
from litebatch_asgi.dialects.seam import Dialect as Dialect
from litebatch_asgi.dialects.surrogates import line_number as line_number
from litebatch_asgi.dialects.surrogates import surrogate as surrogate
