-- What a key has spent on each day: one row a day, for whoever asks no more about it.

CREATE INDEX {prefix}spend_rollups_by_key ON {prefix}spend_rollups (fields, "key", day);
