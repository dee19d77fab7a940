-- What the answers to a batch input may be as long as; null: not known, as of files that are no batch inputs.

ALTER TABLE {prefix}files ADD COLUMN output_tokens bigint; -- sum of the limits that lines set
ALTER TABLE {prefix}files ADD COLUMN unlimited_answers bigint; -- answers that no line limits
