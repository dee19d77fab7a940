-- What estimates of costs need to hold: which parts are guessed, and which requests cost more a token.

ALTER TABLE {prefix}files ADD COLUMN guessed_tokens bigint NOT NULL DEFAULT 0; -- a part of tokens
ALTER TABLE {prefix}files ADD COLUMN long_requests {type.json}; -- list; null: not known
