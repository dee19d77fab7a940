-- Open batches are counted by their status from the index alone that finds those of a file.

DROP INDEX {prefix}batches_open_by_input_file;
CREATE INDEX {prefix}batches_open_by_input_file ON {prefix}batches (input_file_id, status)
    WHERE status IN ('validating', 'in_progress', 'finalizing', 'cancelling');
