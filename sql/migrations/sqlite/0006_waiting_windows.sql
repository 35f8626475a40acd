-- Windows in backoff cost a claim nothing: those that never failed are found beside them, and those whose wait is over
-- by the end of it. Indexes only, so the release before this one does not notice.

CREATE INDEX pipeline_records_fresh ON pipeline_records (pipeline_id, mapping_name, window_start_time, id)
    WHERE pipeline_status = 'PENDING' AND range_id IS NULL AND not_before IS NULL;
CREATE INDEX pipeline_records_waiting ON pipeline_records (pipeline_id, mapping_name, not_before)
    WHERE pipeline_status = 'PENDING' AND range_id IS NULL AND not_before IS NOT NULL;
