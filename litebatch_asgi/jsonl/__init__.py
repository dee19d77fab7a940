"""Everything that is done to the lines of JSONL files, without I/O.

On the way in, `LineChecker` checks a file and `Splicer` writes a deployment's model into its lines; on the
way back, `ModelRewriter` puts the virtual model there again. Of results, `RowTally` counts the rows. Where
these do not agree with the input, `ExactPass` keeps the right ones, and `MissingRows` writes rows for those
that never came. `RowIds` tells which requests have succeeded, and `FailureGroups` how the others have failed.
`FileDigest` tells whether a file is still the same, `LineSelector` takes some of the lines of one, and
`LineFinder` finds those of a few requests, `FirstLines` the first ones. `RangeCutter` cuts a tile into ranges
of requests that are sent one by one.

All of them take consecutive blocks of any size and hold no more than one line. They use the CPU without a
break and so belong on a worker thread; it need not be the same one for each block.

`plan_shards` reads nothing: it cuts a file into tiles at the marks that the checker has set.
"""

from litebatch_asgi.jsonl.check import MOST_PROBLEMS as MOST_PROBLEMS
from litebatch_asgi.jsonl.check import CheckedFile as CheckedFile
from litebatch_asgi.jsonl.check import CheckLimits as CheckLimits
from litebatch_asgi.jsonl.check import LineChecker as LineChecker
from litebatch_asgi.jsonl.digest import FileDigest as FileDigest
from litebatch_asgi.jsonl.exact import ExactPass as ExactPass
from litebatch_asgi.jsonl.exact import PartTally as PartTally
from litebatch_asgi.jsonl.failures import FailureGroup as FailureGroup
from litebatch_asgi.jsonl.failures import FailureGroups as FailureGroups
from litebatch_asgi.jsonl.find import FirstLines as FirstLines
from litebatch_asgi.jsonl.find import LineFinder as LineFinder
from litebatch_asgi.jsonl.find import custom_id_of as custom_id_of
from litebatch_asgi.jsonl.ids import IdCollector as IdCollector
from litebatch_asgi.jsonl.ids import LineIds as LineIds
from litebatch_asgi.jsonl.ids import RawIds as RawIds
from litebatch_asgi.jsonl.ids import id_digest as id_digest
from litebatch_asgi.jsonl.line_set import LineSet as LineSet
from litebatch_asgi.jsonl.marks import Mark as Mark
from litebatch_asgi.jsonl.marks import Marks as Marks
from litebatch_asgi.jsonl.marks import MarkSteps as MarkSteps
from litebatch_asgi.jsonl.missing import MissingRows as MissingRows
from litebatch_asgi.jsonl.plan import ShardLimits as ShardLimits
from litebatch_asgi.jsonl.plan import Tile as Tile
from litebatch_asgi.jsonl.plan import TooManyTiles as TooManyTiles
from litebatch_asgi.jsonl.plan import plan_shards as plan_shards
from litebatch_asgi.jsonl.ranges import CutRange as CutRange
from litebatch_asgi.jsonl.ranges import LiveLine as LiveLine
from litebatch_asgi.jsonl.ranges import RangeCutter as RangeCutter
from litebatch_asgi.jsonl.ranges import live_lines as live_lines
from litebatch_asgi.jsonl.row_errors import in_common as in_common
from litebatch_asgi.jsonl.row_errors import one_code as one_code
from litebatch_asgi.jsonl.row_errors import row_error as row_error
from litebatch_asgi.jsonl.row_errors import row_failure as row_failure
from litebatch_asgi.jsonl.row_ids import DigestList as DigestList
from litebatch_asgi.jsonl.row_ids import RowIds as RowIds
from litebatch_asgi.jsonl.rows import RowFate as RowFate
from litebatch_asgi.jsonl.select import LineSelector as LineSelector
from litebatch_asgi.jsonl.select import Selected as Selected
from litebatch_asgi.jsonl.shard_lines import file_line as file_line
from litebatch_asgi.jsonl.size import Guesses as Guesses
from litebatch_asgi.jsonl.splice import ModelRewriter as ModelRewriter
from litebatch_asgi.jsonl.splice import Splicer as Splicer
from litebatch_asgi.jsonl.splice import json_string as json_string
from litebatch_asgi.jsonl.splice import spliced_size as spliced_size
from litebatch_asgi.jsonl.tally import RowTally as RowTally
from litebatch_asgi.jsonl.tally import Tally as Tally
from litebatch_asgi.jsonl.usage import ModelTally as ModelTally
