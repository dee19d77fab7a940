-- What estimates of costs need to hold: which parts are guessed, and which requests cost more a token.

ALTER TABLE {prefix}files ADD COLUMN guessed_tokens bigint NOT NULL DEFAULT 0; -- a part of tokens
ALTER TABLE {prefix}files ADD COLUMN long_requests {type.json}; -- list; null: not known

-- Whether nobody knew the cost of an open batch when it was made; one of 0 may have been such a one.
ALTER TABLE {prefix}reservations ADD COLUMN unpriced bigint NOT NULL DEFAULT 0; -- 1: nobody knew it
UPDATE {prefix}reservations SET unpriced = 1 WHERE cost = 0;

-- US dollars that a batch was estimated at, and that requests without a price count on budgets.
ALTER TABLE {prefix}batches ADD COLUMN estimated_cost {type.money};
ALTER TABLE {prefix}charges ADD COLUMN assumed_cost {type.money};

UPDATE {prefix}batches SET estimated_cost = (
    SELECT CAST(
        CAST(max(cost) / 1000000000 AS text) || '.' || substr(CAST(1000000000 + max(cost) % 1000000000 AS text), 2)
        AS {type.money}
    )
    FROM {prefix}reservations AS reservations WHERE reservations.batch_id = {prefix}batches.id
)
WHERE id IN (SELECT batch_id FROM {prefix}reservations AS reservations WHERE cost > 0);

-- First charges since a moment, for repricing.
CREATE INDEX {prefix}charges_by_time ON {prefix}charges (created_at, id) WHERE corrects IS NULL;
