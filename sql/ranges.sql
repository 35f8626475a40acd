-- Ranges: which stretch of time a backfill has to itself, under which epoch, until when its lease lasts.
-- Every write of a backfill names the epoch of its range; ending a range gives it a new one, so that a backfill
-- which comes back after its range was let go changes nothing and claims nothing.

-- fragment: range_columns
id, range_start, range_end, range_owner, range_epoch, lease_expires_at, created_at, actor, reason

-- fragment: range_over
ended_at = {now}, lease_expires_at = NULL, range_epoch = {epoch_after:range_epoch}

-- name: range_in_the_way
-- A range that stands and overlaps [first, last).
SELECT {range_columns} FROM pipeline_ranges
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND ended_at IS NULL
   AND range_start < {time:last} AND range_end > {time:first}
 ORDER BY range_start LIMIT 1;

-- name: register_range
-- In one transaction with `lock_pipeline`, `range_in_the_way` and `reserve`.
INSERT INTO pipeline_ranges (pipeline_id, mapping_name, range_start, range_end, range_owner, range_epoch,
    lease_expires_at, actor, reason)
VALUES (:pipeline_id, :mapping_name, {time:first}, {time:last}, :range_owner, {epoch_after:0},
    {seconds_from_now::lease_seconds}, :actor, :reason)
RETURNING {range_columns};

-- name: range_of_owner
-- What became of a registration whose reply was lost.
SELECT {range_columns} FROM pipeline_ranges
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND ended_at IS NULL AND range_owner = :range_owner;

-- name: open_ranges
SELECT {range_columns} FROM pipeline_ranges
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND ended_at IS NULL
 ORDER BY range_start;

-- name: renew_range
UPDATE pipeline_ranges SET lease_expires_at = {seconds_from_now::lease_seconds}
 WHERE id = :range_id AND range_epoch = :range_epoch
RETURNING lease_expires_at;

-- name: end_range
-- The backfill is over. In one transaction with `leave_range`.
UPDATE pipeline_ranges SET {range_over} WHERE id = :range_id AND range_epoch = :range_epoch
RETURNING {range_columns};

-- name: dead_ranges
SELECT COUNT(*) AS ranges FROM pipeline_ranges
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND ended_at IS NULL AND lease_expires_at < {now};

-- name: expire_ranges
-- Any run, for ranges whose lease ran out; looked at again when the row is locked. In one transaction with `leave_range`.
UPDATE pipeline_ranges SET {range_over}
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND ended_at IS NULL AND lease_expires_at < {now}
RETURNING {range_columns};

-- name: orphaned_ranges
-- Windows that are set aside for a range which is over or was never there: only by hand, or by an older release.
SELECT DISTINCT range_id FROM pipeline_records
 WHERE pipeline_id = :pipeline_id AND mapping_name = :mapping_name AND pipeline_status = 'PENDING' AND range_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM pipeline_ranges WHERE pipeline_ranges.id = range_id AND ended_at IS NULL);
