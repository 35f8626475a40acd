-- Which windows there are. Every statement only reads.

-- fragment: touching
-- Windows that overlap [first, last).
window_start_time < :last AND window_end_time > :first
AND window_start_time >= {from_touching}

-- fragment: page
AND (:status = '' OR pipeline_status = :status)
AND (:result = '' OR audit_result = :result)
AND (:with_bad_rows = 0 OR {audited:bad} > 0)
AND (window_start_time, id) > (:after_start, :after_id)
ORDER BY window_start_time, id
LIMIT :page_size

-- name: window_at
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND window_start_time = :window_start;

-- name: window_by_id
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND id = :id;

-- name: windows_touching
-- Windows that overlap [first, last), oldest first, a page behind the last row of the one before.
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND {touching} {page};

-- name: unfinished_touching
-- The same of those that are not COMPLETED: none of them is sealed, so the history is passed over.
-- By their ids: beside a join SQLite would read the whole table first, for a filter of it.
SELECT * FROM pipeline_records
 WHERE id IN (SELECT id FROM {unsealed_windows} AS unsealed WHERE pipeline_status <> 'COMPLETED')
   AND {touching} {page};

-- name: edges_touching
-- Where the ready windows that overlap [first, last) begin and end.
SELECT MIN(window_start_time) AS first, MAX(window_end_time) AS last
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND {touching} AND window_end_time <= :watermark;

-- name: standing_within
-- How the windows of a range that are not finished stand.
SELECT COALESCE(SUM(CASE WHEN pipeline_status = 'IN_PROGRESS' THEN 1 ELSE 0 END), 0) AS held,
       COALESCE(SUM(CASE WHEN pipeline_status = 'FAILED' THEN 1 ELSE 0 END), 0) AS quarantined,
       COALESCE(SUM(CASE WHEN pipeline_status = 'PENDING' AND range_id = :range_id THEN 1 ELSE 0 END), 0) AS set_aside,
       COALESCE(SUM(CASE WHEN pipeline_status <> 'PENDING' OR range_id = :range_id THEN 0 ELSE 1 END), 0) AS waiting
  FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND window_start_time >= :first AND window_end_time <= :last;

-- name: held_within
-- Who holds windows of a range.
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
   AND window_start_time >= :first AND window_end_time <= :last
 ORDER BY window_start_time, id
 LIMIT :page_size;

-- name: ready_windows
-- How many windows a run could take now, were it to take them all; those in backoff included.
SELECT COUNT(*) AS windows FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name
   AND pipeline_status = 'PENDING' AND range_id IS NULL AND window_end_time <= :watermark;

-- name: locked_windows
SELECT * FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'IN_PROGRESS'
 ORDER BY window_start_time, id;
