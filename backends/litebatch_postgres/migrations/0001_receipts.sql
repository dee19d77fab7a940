-- What each writer committed last: a COMMIT whose answer was lost is resolved by reading it.
CREATE TABLE {prefix}receipts (
    id {type.key} NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    written_at bigint NOT NULL
) WITH (fillfactor = 50);
