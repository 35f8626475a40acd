-- What a regrid needs to know and to delete; its move is in transitions.sql.

-- name: last_kept
-- The last window that a regrid leaves: behind it nobody has touched any.
SELECT window_start_time, window_end_time, id, pipeline_status FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND NOT ({untouched})
 ORDER BY window_start_time DESC, id DESC LIMIT 1;

-- name: lock_tail
-- So that no run claims a window of the tail meanwhile; one that was claimed just before is no part of it any more.
SELECT id FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND {untouched}
   AND window_start_time > {time:kept_start}
 ORDER BY id {lock_rows};

-- name: drop_regridded
-- In one transaction with `regrid`, which marks what is deleted here.
DELETE FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING'
   AND move_name = 'regrid';
