-- Which windows there are. Every statement only reads.

-- name: window_at
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND window_start_time = :window_start;

-- name: window_by_id
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND id = :id;

-- name: windows_touching
-- Windows that overlap [first, last), oldest first, a page behind the last row of the one before.
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND window_start_time < :last AND window_end_time > :first
   AND (:status = '' OR pipeline_status = :status)
   AND (:result = '' OR audit_result = :result)
   AND (window_start_time, id) > (:after_start, :after_id)
 ORDER BY window_start_time, id
 LIMIT :page_size;

-- name: edges_touching
-- Where the windows that overlap [first, last) begin and end, and how many of them are not finished.
SELECT MIN(window_start_time) AS first, MAX(window_end_time) AS last, COUNT(*) AS windows,
       SUM(CASE WHEN pipeline_status IN ('COMPLETED', 'FAILED') THEN 0 ELSE 1 END) AS unfinished
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND window_start_time < :last AND window_end_time > :first;

-- name: ready_windows
-- How many windows a run could take now, were it to take them all; those in backoff included.
SELECT COUNT(*) AS windows FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND pipeline_status = 'PENDING' AND window_end_time <= :watermark;

-- name: locked_windows
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
 ORDER BY window_start_time, id;
