-- Where owners want to be told of their batches. The signing secrets are derived, and kept nowhere.

CREATE TABLE {prefix}webhook_endpoints (
    id {type.key} NOT NULL PRIMARY KEY,
    owner {type.key} NOT NULL,
    created_by {type.key},
    name text NOT NULL,
    url text NOT NULL,
    event_types {type.json} NOT NULL, -- list
    version bigint NOT NULL,
    key_fingerprint text NOT NULL,
    secret_hint text NOT NULL, -- enough of it to tell secrets apart
    old_key_fingerprint text,
    keeps_old_until bigint,
    rotated_at bigint,
    disabled_at bigint, -- null: in use
    disabled_reason text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE INDEX {prefix}webhook_endpoints_by_owner ON {prefix}webhook_endpoints (owner, created_at, id);
CREATE INDEX {prefix}webhook_endpoints_by_time ON {prefix}webhook_endpoints ((created_at + 0), id);
