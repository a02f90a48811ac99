/**
 * A stored procedure. Each selects at most one row.
 *
 * Parameters are longer than their columns: MariaDB cuts a parameter when the session of the caller is not strict, but a column
 * that is too short is an error in the procedure.
 */
export interface Procedure {
  readonly name: string
  readonly parameters: string
  readonly body: string
}

/** Microseconds since the epoch. UTC_TIMESTAMP, because the hour before the end of summer time has two meanings. */
const NOW_IN_MICROSECONDS = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`

/** Milliseconds since the epoch. */
const NOW = `${NOW_IN_MICROSECONDS} DIV 1000`

/**
 * Wait for a lock for at most a second, and leave the session as it was. The values that MySQL has for these two are 50
 * seconds and a year. The handler does not run when the statement is killed: the caller then closes the connection.
 */
const LIMIT_LOCK_WAITS = `DECLARE v_row_lock_wait BIGINT DEFAULT @@SESSION.innodb_lock_wait_timeout;
  DECLARE v_table_lock_wait BIGINT DEFAULT @@SESSION.lock_wait_timeout;
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    ROLLBACK;
    SET SESSION innodb_lock_wait_timeout = v_row_lock_wait, SESSION lock_wait_timeout = v_table_lock_wait;
    RESIGNAL;
  END;
  SET SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 1;`

const RESTORE_LOCK_WAITS =
  'SET SESSION innodb_lock_wait_timeout = v_row_lock_wait, SESSION lock_wait_timeout = v_table_lock_wait;'

/**
 * At REPEATABLE READ, claims of new orders would lock the gaps between keys and so each other. COMMIT: with `autocommit = 0`, a
 * transaction may be open already, and its isolation level cannot be changed.
 */
const START = `COMMIT;
  SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
  START TRANSACTION;`

/** Restores `wait_timeout` after a transaction that order_sync_begin began. */
const RESTORE_IDLE_LIMIT = 'SET SESSION wait_timeout = COALESCE(@order_sync_wait_timeout, @@SESSION.wait_timeout);'

/**
 * Decides on a delivery and takes the order, in one transaction. Every procedure locks the request first, then the order: no
 * deadlock. A token is never below the clock in microseconds, so that it also grows after its order was deleted.
 *
 * - Expired requests: another process may delete the same rows, or use one of them. Then they are deleted later.
 * - In ON DUPLICATE KEY UPDATE, each assignment sees those before it: `expires_at` comes last.
 * - After a lock wait timeout (1205) for the order, another process works on it. Only the statement is rolled back: the digest of the
 *   request stays.
 * - The clock is read again after the locks, which may have taken time.
 */
const CLAIM: Procedure = {
  name: 'order_sync_claim',
  parameters: `
  p_order_key VARBINARY(255), p_request_key VARBINARY(255), p_digest VARBINARY(255), p_modify_time BIGINT,
  p_lease_ms BIGINT, p_response_ttl_ms BIGINT, p_compare_processed_at INT, p_delete_expired INT
`,
  body: `BEGIN
  DECLARE v_now, v_token, v_leased_at, v_lease_until, v_last_modify_time, v_last_processed_at BIGINT;
  DECLARE v_digest, v_last_content VARBINARY(64);
  DECLARE v_decision VARCHAR(16) CHARACTER SET ascii;
  DECLARE v_response TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  ${LIMIT_LOCK_WAITS}
  IF p_delete_expired > 0 THEN
    BEGIN
      DECLARE EXIT HANDLER FOR 1205, 1213, 1020 ROLLBACK;
      ${START}
      SET v_now = ${NOW};
      DELETE FROM order_sync_requests WHERE expires_at <= v_now ORDER BY expires_at LIMIT p_delete_expired;
      COMMIT;
    END;
  END IF;
  ${START}
  SET v_now = ${NOW};
  INSERT INTO order_sync_requests (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms)
  ON DUPLICATE KEY UPDATE
    digest     = IF(expires_at > v_now, digest, p_digest),
    response   = IF(expires_at > v_now, response, NULL),
    order_key  = IF(expires_at > v_now, order_key, NULL),
    expires_at = IF(expires_at > v_now, expires_at, v_now + p_response_ttl_ms);
  SELECT digest, response INTO v_digest, v_response
  FROM order_sync_requests WHERE request_key = p_request_key FOR UPDATE;

  IF v_digest <> p_digest THEN
    SET v_decision = 'conflict', v_response = NULL;
  ELSEIF v_response IS NOT NULL THEN
    SET v_decision = 'replay';
  ELSE
    BEGIN
      DECLARE EXIT HANDLER FOR 1205 SET v_decision = 'busy';
      INSERT INTO order_sync_orders (order_key, token) VALUES (p_order_key, 0)
      ON DUPLICATE KEY UPDATE token = token;
      SELECT token, leased_at, lease_until, last_modify_time, last_processed_at, last_response, last_content
      INTO v_token, v_leased_at, v_lease_until, v_last_modify_time, v_last_processed_at, v_response, v_last_content
      FROM order_sync_orders WHERE order_key = p_order_key FOR UPDATE;
    END;
    SET v_now = ${NOW};
    IF v_decision = 'busy' THEN
      SET v_response = NULL;
    ELSEIF v_last_modify_time IS NOT NULL AND NOT (p_modify_time > v_last_modify_time AND (
      p_compare_processed_at = 0 OR p_modify_time > v_last_processed_at
    )) THEN
      SET v_decision = IF(p_modify_time = v_last_modify_time, 'duplicate', 'stale');
    ELSEIF v_lease_until > v_now AND COALESCE(v_leased_at, 0) <= v_now + 1000 THEN
      SET v_decision = 'busy';
    ELSE
      SET v_decision = 'process', v_token = GREATEST(v_token + 1, ${NOW_IN_MICROSECONDS});
      UPDATE order_sync_orders SET token = v_token, leased_at = v_now, lease_until = v_now + p_lease_ms
      WHERE order_key = p_order_key;
    END IF;
  END IF;
  COMMIT;
  ${RESTORE_LOCK_WAITS}
  SELECT v_decision AS decision, CAST(v_response AS BINARY) AS stored_response, v_token AS token,
    v_last_modify_time AS last_modify_time, v_last_content AS last_content;
END`,
}

/**
 * Keeps the response and ends the claim. Zero when a later claim has the order, or this one has ended. It locks the request first,
 * also when it has expired and was deleted.
 *
 * With p_inside, it ends the transaction that order_sync_begin began: it commits, or rolls back where it returns zero. NULL when
 * that transaction has ended before: a savepoint ends with its transaction. It commits in the same step, because a process that
 * freezes before COMMIT would hold the locks on the rows of the store.
 */
const FINISH: Procedure = {
  name: 'order_sync_finish',
  parameters: `
  p_order_key VARBINARY(255), p_request_key VARBINARY(255), p_digest VARBINARY(255), p_content VARBINARY(255),
  p_modify_time BIGINT, p_token BIGINT, p_response TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, p_processed INT,
  p_response_ttl_ms BIGINT, p_inside INT
`,
  body: `BEGIN
  DECLARE v_now BIGINT;
  DECLARE v_finished INT DEFAULT 0;
  ${LIMIT_LOCK_WAITS}
  IF p_inside = 0 THEN
    ${START}
  ELSE
    BEGIN
      DECLARE EXIT HANDLER FOR 1305 SET v_finished = NULL;
      RELEASE SAVEPOINT order_sync_work;
    END;
  END IF;
  IF v_finished IS NOT NULL THEN
    SET v_now = ${NOW};
    INSERT INTO order_sync_requests (request_key, digest, expires_at)
    VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms)
    ON DUPLICATE KEY UPDATE expires_at = v_now + p_response_ttl_ms;
    UPDATE order_sync_orders SET
      lease_until       = NULL,
      last_modify_time  = IF(p_processed, p_modify_time, last_modify_time),
      last_processed_at = IF(p_processed, v_now, last_processed_at),
      last_response     = IF(p_processed, p_response, last_response),
      last_content      = IF(p_processed, p_content, last_content)
    WHERE order_key = p_order_key AND token = p_token AND lease_until IS NOT NULL;
    SET v_finished = ROW_COUNT();
  END IF;
  IF v_finished = 1 THEN
    UPDATE order_sync_requests SET response = p_response, order_key = p_order_key WHERE request_key = p_request_key;
    COMMIT;
  ELSE
    ROLLBACK;
  END IF;
  ${RESTORE_LOCK_WAITS}
  IF p_inside THEN
    ${RESTORE_IDLE_LIMIT}
  END IF;
  SELECT v_finished AS finished;
END`,
}

const RELEASE: Procedure = {
  name: 'order_sync_release',
  parameters: 'p_order_key VARBINARY(255), p_token BIGINT',
  body: `BEGIN
  DECLARE v_released INT;
  ${LIMIT_LOCK_WAITS}
  ${START}
  UPDATE order_sync_orders SET lease_until = NULL
  WHERE order_key = p_order_key AND token = p_token AND lease_until IS NOT NULL;
  SET v_released = ROW_COUNT();
  COMMIT;
  ${RESTORE_LOCK_WAITS}
  SELECT v_released AS released;
END`,
}

/** In a separate transaction: with `autocommit = 0`, later reads of the connection would see the same snapshot. */
const READ: Procedure = {
  name: 'order_sync_read',
  parameters: 'p_order_key VARBINARY(255)',
  body: `BEGIN
  ${LIMIT_LOCK_WAITS}
  ${START}
  SELECT token, lease_until > ${NOW} AND COALESCE(leased_at, 0) <= ${NOW} + 1000 AS leased,
    last_modify_time, last_processed_at, CAST(last_response AS BINARY) AS last_response
  FROM order_sync_orders WHERE order_key = p_order_key;
  COMMIT;
  ${RESTORE_LOCK_WAITS}
END`,
}

/**
 * Forgets that an order was processed or refused: 'forgotten', 'unknown', or 'busy' while a claim holds it. The digests of its
 * requests stay: another content under the same requestId is still a conflict.
 */
const FORGET: Procedure = {
  name: 'order_sync_forget',
  parameters: 'p_order_key VARBINARY(255)',
  body: `BEGIN
  DECLARE v_now, v_token, v_leased_at, v_lease_until, v_last_modify_time, v_requests BIGINT;
  DECLARE v_result VARCHAR(16) CHARACTER SET ascii;
  ${LIMIT_LOCK_WAITS}
  ${START}
  SELECT COUNT(*) INTO v_requests FROM order_sync_requests WHERE order_key = p_order_key FOR UPDATE;
  SELECT token, leased_at, lease_until, last_modify_time INTO v_token, v_leased_at, v_lease_until, v_last_modify_time
  FROM order_sync_orders WHERE order_key = p_order_key FOR UPDATE;
  SET v_now = ${NOW};
  IF v_token IS NULL THEN
    SET v_result = 'unknown';
  ELSEIF v_lease_until > v_now AND COALESCE(v_leased_at, 0) <= v_now + 1000 THEN
    SET v_result = 'busy';
  ELSE
    UPDATE order_sync_orders
    SET last_modify_time = NULL, last_processed_at = NULL, last_response = NULL, last_content = NULL
    WHERE order_key = p_order_key;
    UPDATE order_sync_requests SET response = NULL, order_key = NULL WHERE order_key = p_order_key;
    SET v_requests = ROW_COUNT();
    SET v_result = IF(v_last_modify_time IS NULL AND v_requests = 0, 'unknown', 'forgotten');
  END IF;
  COMMIT;
  ${RESTORE_LOCK_WAITS}
  SELECT v_result AS result;
END`,
}

/** The version of the schema, in a separate transaction: see order_sync_read. */
const VERSION: Procedure = {
  name: 'order_sync_version',
  parameters: '',
  body: `BEGIN
  ${LIMIT_LOCK_WAITS}
  ${START}
  SELECT version FROM order_sync_schema;
  COMMIT;
  ${RESTORE_LOCK_WAITS}
END`,
}

const FORGET_EXPIRED: Procedure = {
  name: 'order_sync_forget_expired',
  parameters: 'p_limit INT',
  body: `BEGIN
  DECLARE v_now BIGINT DEFAULT ${NOW};
  DECLARE v_deleted INT;
  ${LIMIT_LOCK_WAITS}
  ${START}
  DELETE FROM order_sync_requests WHERE expires_at <= v_now ORDER BY expires_at LIMIT p_limit;
  SET v_deleted = ROW_COUNT();
  COMMIT;
  ${RESTORE_LOCK_WAITS}
  SELECT v_deleted AS deleted;
END`,
}

/**
 * Begins the transaction of onOrder, at the isolation level of the session. A process that is frozen in onOrder holds the locks of
 * its writes: the server ends its session after p_idle_seconds without a query.
 */
const BEGIN_WORK: Procedure = {
  name: 'order_sync_begin',
  parameters: 'p_idle_seconds INT',
  body: `BEGIN
  SET @order_sync_wait_timeout = @@SESSION.wait_timeout;
  SET SESSION wait_timeout = p_idle_seconds;
  START TRANSACTION;
  SAVEPOINT order_sync_work;
END`,
}

const ROLLBACK_WORK: Procedure = {
  name: 'order_sync_rollback',
  parameters: '',
  body: `BEGIN
  ROLLBACK;
  ${RESTORE_IDLE_LIMIT}
END`,
}

/** The procedures of schema version 1. Their text must never change: see `migrationsFor`. */
export const PROCEDURES_1: readonly Procedure[] = [
  CLAIM,
  FINISH,
  RELEASE,
  READ,
  FORGET,
  VERSION,
  FORGET_EXPIRED,
  BEGIN_WORK,
  ROLLBACK_WORK,
]
