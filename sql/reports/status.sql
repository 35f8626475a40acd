-- How a pipeline stands. Every statement only reads.

-- name: counts_by_status
SELECT pipeline_status, COALESCE(audit_result, '') AS audit_result, COUNT(*) AS windows
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
 GROUP BY pipeline_status, COALESCE(audit_result, '');

-- name: first_unfinished
SELECT MIN(window_start_time) AS start
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status <> 'COMPLETED';

-- name: why_none
-- Windows that no run can take now: held, waiting for their next try, quarantined.
SELECT COALESCE(SUM(CASE WHEN pipeline_status = 'IN_PROGRESS' THEN 1 ELSE 0 END), 0) AS held,
       COALESCE(SUM(CASE WHEN pipeline_status = 'PENDING' AND not_before IS NOT NULL THEN 1 ELSE 0 END), 0) AS waiting,
       COALESCE(SUM(CASE WHEN pipeline_status = 'FAILED' THEN 1 ELSE 0 END), 0) AS quarantined
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status <> 'COMPLETED';

-- name: overlapping_windows
-- Pairs of neighbours of which the later begins before the earlier ends; the table refuses them, a
-- person's hand may not have.
SELECT * FROM (
  SELECT id, window_start_time, window_end_time,
         LAG(id) OVER (ORDER BY window_start_time, id) AS other_id,
         LAG(window_end_time) OVER (ORDER BY window_start_time, id) AS other_end
    FROM pipeline_records
   WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name) AS neighbours
 WHERE window_start_time < other_end
 ORDER BY window_start_time;

-- name: empty_windows
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND audit_result = 'empty'
 ORDER BY window_start_time, id
 LIMIT :page_size;
