-- Who sends to an endpoint, and how it has gone so far. What is to be sent to it lies in event_deliveries.

ALTER TABLE {prefix}webhook_endpoints ADD COLUMN failures bigint NOT NULL DEFAULT 0; -- since the last success
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN tried_at bigint;
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN next_attempt_at bigint; -- null: whenever something is due
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN claimed_by {type.key};
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN claimed_until bigint;
ALTER TABLE {prefix}webhook_endpoints ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
