-- Batch inputs in shards: a file of before is one tile, and a job of before runs it.
ALTER TABLE {prefix}file_shards ADD COLUMN sha256 text; -- hexadecimal

INSERT INTO {prefix}file_shards (
    file_id, shard, root, "start", bytes, first_line, lines, id_count, id_sum, tokens, sha256
)
SELECT id, 0, 0, 0, bytes, 0, lines, id_count, id_sum, tokens, sha256
FROM {prefix}files AS files
WHERE kind = 'input' AND endpoint IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM {prefix}file_shards AS file_shards WHERE file_id = files.id AND shard = 0
);

ALTER TABLE {prefix}batches ADD COLUMN options {type.json}; -- object
ALTER TABLE {prefix}batches ADD COLUMN retry_of {type.key}; -- the batch whose undone lines it runs

ALTER TABLE {prefix}jobs ADD COLUMN root integer NOT NULL DEFAULT 0; -- the tile that its lines are of
ALTER TABLE {prefix}jobs ADD COLUMN parent integer; -- the shard whose job has left its lines undone
ALTER TABLE {prefix}jobs ADD COLUMN stop_requested_at bigint; -- null: nobody wants it stopped
ALTER TABLE {prefix}jobs ADD COLUMN stop_reason text;
ALTER TABLE {prefix}jobs ADD COLUMN may_hand_on smallint NOT NULL DEFAULT 0 CHECK (may_hand_on IN (0, 1));
ALTER TABLE {prefix}jobs ADD COLUMN outcome {type.json}; -- object
ALTER TABLE {prefix}jobs ADD COLUMN errors {type.json} NOT NULL DEFAULT '[]'; -- list
ALTER TABLE {prefix}jobs ADD COLUMN progress_at bigint; -- when a look last showed more requests done
ALTER TABLE {prefix}jobs ADD COLUMN looked_since bigint; -- since when looks follow without a gap
ALTER TABLE {prefix}jobs ADD COLUMN late_from bigint; -- from when on every look asks whether it is late

ALTER TABLE {prefix}file_parts ADD COLUMN place bigint NOT NULL DEFAULT 0; -- orders parts before seq
CREATE INDEX {prefix}file_parts_in_order ON {prefix}file_parts (file_id, place, seq);
