-- Bytes that no provider keeps for us: a row for each content, wherever its bytes are.
CREATE TABLE {prefix}contents (
    "key" {type.key} NOT NULL PRIMARY KEY,
    store {type.key} NOT NULL,
    state text NOT NULL,
    bytes bigint, -- null: not known yet
    watch_until bigint,
    created_at bigint NOT NULL,
    next_check_at bigint, -- null: never
    claimed_by {type.key},
    claimed_until bigint,
    epoch bigint NOT NULL
);

CREATE INDEX {prefix}contents_due ON {prefix}contents (next_check_at, "key") WHERE next_check_at IS NOT NULL;

-- Those that are in the database. No row goes before its chunks are gone.
CREATE TABLE {prefix}content_chunks (
    "key" {type.key} NOT NULL REFERENCES {prefix}contents ("key"),
    seq integer NOT NULL CHECK (seq >= 0),
    chunk {type.blob} NOT NULL,
    PRIMARY KEY ("key", seq)
);

-- A part says what its content is and where: whoever reads it needs no more.
ALTER TABLE {prefix}file_parts ADD COLUMN content_key {type.key};
ALTER TABLE {prefix}file_parts ADD COLUMN store {type.key};
