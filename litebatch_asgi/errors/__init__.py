"""Every error LiteBatch raises.

::

    LiteBatchError                          status  code
    ├── ConfigError                         -       what the config says cannot be used
    ├── RequestError                        what a caller is told; the HTTP routes translate these alone
    │   ├── InvalidRequest                  400     invalid_value, ...
    │   │   ├── InvalidFile                 400     the first problem's; all of them in `problems`
    │   │   ├── AboveLimit                  400     limit_exceeded; more than a limit ever allows
    │   │   ├── AboveBudget                 400     budget_exceeded; dearer than a batch may ever be
    │   │   └── ModelHasNoPrice             400     model_has_no_price; where money is limited
    │   ├── Unauthenticated                 401     invalid_api_key
    │   ├── PermissionDenied                403     permission_denied
    │   │   └── ModelAccessDenied           403     model_access_denied
    │   ├── NotFound                        404
    │   ├── MethodNotAllowed                405
    │   ├── RequestTimeout                  408     request_timeout; the clients try again
    │   ├── Conflict                        409     final: the clients are told not to retry
    │   │   ├── DeploymentGone              409     deployment_gone
    │   │   └── StoreGone                   409     store_gone
    │   ├── FileTooLarge                    413     file_too_large
    │   ├── KeyReused                       422     idempotency_key_in_use
    │   ├── RateLimited                     429     rate_limit_exceeded, with retry-after
    │   │   ├── SpoolFull                   429     spool_full
    │   │   ├── UploadsFull                 429     uploads_full; parts of uploads that have not ended
    │   │   ├── DeploymentsBusy             429     deployments_busy
    │   │   ├── LimitExceeded               429     limit_exceeded; no retry where waiting is no use
    │   │   └── BudgetExceeded              429     budget_exceeded; likewise
    │   ├── InternalError                   500     internal_error
    │   └── Unavailable                     503     with retry-after
    │       ├── NotTaken                    503     why no deployment took a file, such as
    │       │                                       provider_key_rejected, deployments_unreachable
    │       ├── StorageUnavailable          503     storage_unavailable
    │       ├── StoreUnavailable            503     store_unavailable
    │       │   └── ContentMissing          503     store_unavailable; it has no such key
    │       ├── NoAuthenticator             503     no_authenticator
    │       └── LifespanNotEntered          503     lifespan_not_entered
    ├── StateConflict                       a fenced write came too late: somebody else holds the row now
    ├── Undeliverable                       what a sink raises for an event that it can never take
    ├── RequestUnderWay                     an equal request is being worked on: wait for its outcome
    └── ProviderError                       what a deployment answered, by what the answer means
        ├── DeploymentRefused               it did nothing and will not: another one may be tried
        │   ├── CopyRefused                 for it cannot use its copy of the input file: gone, not ready
        │   └── CopyDiffers                 for what it has of a file is not what was uploaded
        ├── ContentRefused                  it did nothing: the content is wrong and would be anywhere
        │   └── CannotTake                  it cannot be asked for that, others perhaps: it was not called
        ├── ProviderNotFound                the object is not there
        ├── ProviderBusy                    500, 503: most likely it did nothing, a listing tells
        ├── NoClearAnswer                   time-out, cut connection, 408, 502, 504: it may have been done
        ├── ServerAway                      no connection for one live request: nothing was sent
        ├── NoAnswer                        it was sent, and then cut, or silent for its time-out
        └── AnswerTooLarge                  its answer has more bytes than one may have
"""

from litebatch_asgi.errors.base import ConfigError as ConfigError
from litebatch_asgi.errors.base import LiteBatchError as LiteBatchError
from litebatch_asgi.errors.base import RequestUnderWay as RequestUnderWay
from litebatch_asgi.errors.base import StateConflict as StateConflict
from litebatch_asgi.errors.base import Undeliverable as Undeliverable
from litebatch_asgi.errors.budgets import AboveBudget as AboveBudget
from litebatch_asgi.errors.budgets import BudgetExceeded as BudgetExceeded
from litebatch_asgi.errors.budgets import BudgetFigures as BudgetFigures
from litebatch_asgi.errors.budgets import ModelHasNoPrice as ModelHasNoPrice
from litebatch_asgi.errors.budgets import dollars as dollars
from litebatch_asgi.errors.providers import LONGEST_RETRY_SECONDS as LONGEST_RETRY_SECONDS
from litebatch_asgi.errors.providers import SHORTEST_RETRY_SECONDS as SHORTEST_RETRY_SECONDS
from litebatch_asgi.errors.providers import AnswerTooLarge as AnswerTooLarge
from litebatch_asgi.errors.providers import CannotTake as CannotTake
from litebatch_asgi.errors.providers import ContentRefused as ContentRefused
from litebatch_asgi.errors.providers import CopyDiffers as CopyDiffers
from litebatch_asgi.errors.providers import CopyRefused as CopyRefused
from litebatch_asgi.errors.providers import DeploymentRefused as DeploymentRefused
from litebatch_asgi.errors.providers import NoAnswer as NoAnswer
from litebatch_asgi.errors.providers import NoClearAnswer as NoClearAnswer
from litebatch_asgi.errors.providers import ProviderBusy as ProviderBusy
from litebatch_asgi.errors.providers import ProviderError as ProviderError
from litebatch_asgi.errors.providers import ProviderNotFound as ProviderNotFound
from litebatch_asgi.errors.providers import ServerAway as ServerAway
from litebatch_asgi.errors.providers import bounded_wait as bounded_wait
from litebatch_asgi.errors.requests import AboveLimit as AboveLimit
from litebatch_asgi.errors.requests import Conflict as Conflict
from litebatch_asgi.errors.requests import ContentMissing as ContentMissing
from litebatch_asgi.errors.requests import DeploymentGone as DeploymentGone
from litebatch_asgi.errors.requests import DeploymentsBusy as DeploymentsBusy
from litebatch_asgi.errors.requests import FileTooLarge as FileTooLarge
from litebatch_asgi.errors.requests import InternalError as InternalError
from litebatch_asgi.errors.requests import InvalidFile as InvalidFile
from litebatch_asgi.errors.requests import InvalidRequest as InvalidRequest
from litebatch_asgi.errors.requests import KeyReused as KeyReused
from litebatch_asgi.errors.requests import LifespanNotEntered as LifespanNotEntered
from litebatch_asgi.errors.requests import LimitExceeded as LimitExceeded
from litebatch_asgi.errors.requests import MethodNotAllowed as MethodNotAllowed
from litebatch_asgi.errors.requests import ModelAccessDenied as ModelAccessDenied
from litebatch_asgi.errors.requests import NoAuthenticator as NoAuthenticator
from litebatch_asgi.errors.requests import NotFound as NotFound
from litebatch_asgi.errors.requests import NotTaken as NotTaken
from litebatch_asgi.errors.requests import PermissionDenied as PermissionDenied
from litebatch_asgi.errors.requests import Problem as Problem
from litebatch_asgi.errors.requests import RateLimited as RateLimited
from litebatch_asgi.errors.requests import RequestError as RequestError
from litebatch_asgi.errors.requests import RequestTimeout as RequestTimeout
from litebatch_asgi.errors.requests import SpoolFull as SpoolFull
from litebatch_asgi.errors.requests import StorageUnavailable as StorageUnavailable
from litebatch_asgi.errors.requests import StoreGone as StoreGone
from litebatch_asgi.errors.requests import StoreUnavailable as StoreUnavailable
from litebatch_asgi.errors.requests import Unauthenticated as Unauthenticated
from litebatch_asgi.errors.requests import Unavailable as Unavailable
from litebatch_asgi.errors.requests import UploadsFull as UploadsFull
