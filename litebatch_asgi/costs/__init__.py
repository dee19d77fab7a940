"""What tokens cost. Pure: the moment and the content of files are arguments.

`PriceBook` finds the prices of a deployment's model: the deployment's own, those of a file in LiteLLM's
format, or those of `genai-prices`. `priced` applies them to a usage, exactly, and rounds once. `estimate` and
`quote` say beforehand what a batch will use and cost. `correction` says what has to be added to a charge, for
it to be what other prices make it.
"""

from litebatch_asgi.costs.book import PriceBook as PriceBook
from litebatch_asgi.costs.corrections import CannotReprice as CannotReprice
from litebatch_asgi.costs.corrections import correction as correction
from litebatch_asgi.costs.corrections import taken_back as taken_back
from litebatch_asgi.costs.estimate import ENDPOINTS_WITHOUT_OUTPUT as ENDPOINTS_WITHOUT_OUTPUT
from litebatch_asgi.costs.estimate import BatchInput as BatchInput
from litebatch_asgi.costs.estimate import Estimate as Estimate
from litebatch_asgi.costs.estimate import Quote as Quote
from litebatch_asgi.costs.estimate import cost_of as cost_of
from litebatch_asgi.costs.estimate import estimate as estimate
from litebatch_asgi.costs.estimate import highest_cost_of as highest_cost_of
from litebatch_asgi.costs.estimate import quote as quote
from litebatch_asgi.costs.litellm import PriceFile as PriceFile
from litebatch_asgi.costs.litellm import is_price_name as is_price_name
from litebatch_asgi.costs.rates import MOST_DOLLARS as MOST_DOLLARS
from litebatch_asgi.costs.rates import UNKNOWN as UNKNOWN
from litebatch_asgi.costs.rates import Rates as Rates
from litebatch_asgi.costs.rates import TokenKind as TokenKind
from litebatch_asgi.costs.rates import priced as priced
from litebatch_asgi.costs.share import InputShare as InputShare
