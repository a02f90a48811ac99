/** The schema version that this release needs. */
export const POSTGRES_SCHEMA_VERSION = 4

/**
 * The schema of {@link postgresStore} as SQL: one text for each version. Run each once, in order. `migratePostgres` does that.
 * To run the migrations with your own tool, copy these texts. Tables and functions are created in the first schema of the
 * `search_path`.
 */
export const POSTGRES_MIGRATIONS: readonly string[] = migrationsFor('')

/**
 * The migrations for one schema.
 *
 * @param prefix The quoted schema and a dot, or nothing for the first schema of the `search_path`.
 */
export function migrationsFor(prefix: string): readonly string[] {
  return [createTables(prefix), createFunctions(prefix), keepContent(prefix), forgetOrders(prefix)]
}

function createTables(prefix: string): string {
  return `
CREATE SEQUENCE ${prefix}order_sync_token;

CREATE TABLE ${prefix}order_sync_orders (
  order_key         text PRIMARY KEY,
  token             bigint NOT NULL DEFAULT 0,
  lease_until       timestamptz,
  last_modify_time  bigint,
  last_processed_at timestamptz,
  last_response     text,
  -- All three are set, or none.
  CHECK (num_nulls(last_modify_time, last_processed_at, last_response) IN (0, 3))
);

CREATE TABLE ${prefix}order_sync_requests (
  request_key text PRIMARY KEY,
  digest      text NOT NULL,
  response    text,
  expires_at  timestamptz NOT NULL
);

CREATE INDEX order_sync_requests_expiry ON ${prefix}order_sync_requests (expires_at);

CREATE TABLE ${prefix}order_sync_schema (version integer NOT NULL);
INSERT INTO ${prefix}order_sync_schema (version) VALUES (1);
`
}

function createFunctions(prefix: string): string {
  return `
-- When the lease began. A lease that begins in the future is void: the clock was set back after the claim.
ALTER TABLE ${prefix}order_sync_orders ADD COLUMN leased_at timestamptz;

-- Decides on a delivery and takes the order, in one step. Both functions lock the request first, then the order: no deadlock.
-- A frozen process can hold the lock on a row. A claim does not wait for it: it fails with lock_not_available, or it is busy.
CREATE OR REPLACE FUNCTION ${prefix}order_sync_claim(
  p_order_key text, p_request_key text, p_digest text, p_modify_time bigint,
  p_lease_ms bigint, p_response_ttl_ms bigint, p_compare_processed_at boolean,
  OUT decision text, OUT stored_response text, OUT token bigint
) LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_request ${prefix}order_sync_requests;
  v_order ${prefix}order_sync_orders;
BEGIN
  INSERT INTO ${prefix}order_sync_requests AS r (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms * interval '1 millisecond')
  ON CONFLICT (request_key) DO UPDATE SET
    digest     = CASE WHEN r.expires_at > v_now THEN r.digest ELSE excluded.digest END,
    response   = CASE WHEN r.expires_at > v_now THEN r.response END,
    expires_at = CASE WHEN r.expires_at > v_now THEN r.expires_at ELSE excluded.expires_at END
  RETURNING * INTO v_request;

  IF v_request.digest <> p_digest THEN
    decision := 'conflict';
    RETURN;
  ELSIF v_request.response IS NOT NULL THEN
    decision := 'replay';
    stored_response := v_request.response;
    RETURN;
  END IF;

  -- An INSERT would wait for whoever has locked the order. So it comes last.
  SELECT * INTO v_order FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key FOR UPDATE SKIP LOCKED;
  IF NOT FOUND AND NOT EXISTS (SELECT FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key) THEN
    INSERT INTO ${prefix}order_sync_orders AS o (order_key) VALUES (p_order_key)
    ON CONFLICT (order_key) DO NOTHING
    RETURNING * INTO v_order;
  END IF;
  IF v_order.order_key IS NULL THEN
    decision := 'busy';
    RETURN;
  END IF;

  -- Read the clock again: the locks may have taken time.
  v_now := clock_timestamp();
  IF v_order.last_modify_time IS NOT NULL AND NOT (p_modify_time > v_order.last_modify_time AND (
    NOT p_compare_processed_at OR p_modify_time > extract(epoch FROM v_order.last_processed_at) * 1000
  )) THEN
    decision := CASE WHEN p_modify_time = v_order.last_modify_time THEN 'duplicate' ELSE 'stale' END;
    stored_response := v_order.last_response;
  ELSIF v_order.lease_until > v_now AND (v_order.leased_at > v_now + interval '1 second') IS NOT TRUE THEN
    decision := 'busy';
  ELSE
    decision := 'process';
    UPDATE ${prefix}order_sync_orders o SET
      token       = nextval('${prefix}order_sync_token'),
      leased_at   = v_now,
      lease_until = v_now + p_lease_ms * interval '1 millisecond'
    WHERE o.order_key = p_order_key
    RETURNING o.token INTO token;
  END IF;
END $$;

-- Keeps the response and ends the claim. False when a later claim has the order, or this one has ended.
CREATE OR REPLACE FUNCTION ${prefix}order_sync_finish(
  p_order_key text, p_request_key text, p_digest text, p_modify_time bigint,
  p_token bigint, p_response text, p_processed boolean, p_response_ttl_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  -- Lock the request first, also when it has expired and was deleted.
  INSERT INTO ${prefix}order_sync_requests AS r (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms * interval '1 millisecond')
  ON CONFLICT (request_key) DO UPDATE SET expires_at = excluded.expires_at;
  UPDATE ${prefix}order_sync_orders o SET
    lease_until       = NULL,
    last_modify_time  = CASE WHEN p_processed THEN p_modify_time ELSE o.last_modify_time END,
    last_processed_at = CASE WHEN p_processed THEN v_now ELSE o.last_processed_at END,
    last_response     = CASE WHEN p_processed THEN p_response ELSE o.last_response END
  WHERE o.order_key = p_order_key AND o.token = p_token AND o.lease_until IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE ${prefix}order_sync_requests r SET response = p_response WHERE r.request_key = p_request_key;
  RETURN true;
END $$;

UPDATE ${prefix}order_sync_schema SET version = 2;
`
}

/** Repeats text of the migration before it: a migration that has run somewhere must never change. */
function keepContent(prefix: string): string {
  return `
-- The digest of the content that was processed last, without requestId and orderModifyTime. Null when it was processed before.
ALTER TABLE ${prefix}order_sync_orders ADD COLUMN last_content text;

-- A function with other results must be created anew. Processes of the earlier release can still call both functions.
DROP FUNCTION ${prefix}order_sync_claim(text, text, text, bigint, bigint, bigint, boolean);
DROP FUNCTION ${prefix}order_sync_finish(text, text, text, bigint, bigint, text, boolean, bigint);

CREATE FUNCTION ${prefix}order_sync_claim(
  p_order_key text, p_request_key text, p_digest text, p_modify_time bigint,
  p_lease_ms bigint, p_response_ttl_ms bigint, p_compare_processed_at boolean,
  OUT decision text, OUT stored_response text, OUT token bigint, OUT last_modify_time bigint, OUT last_content text
) LANGUAGE plpgsql SET lock_timeout = '500ms' AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_request ${prefix}order_sync_requests;
  v_order ${prefix}order_sync_orders;
BEGIN
  INSERT INTO ${prefix}order_sync_requests AS r (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms * interval '1 millisecond')
  ON CONFLICT (request_key) DO UPDATE SET
    digest     = CASE WHEN r.expires_at > v_now THEN r.digest ELSE excluded.digest END,
    response   = CASE WHEN r.expires_at > v_now THEN r.response END,
    expires_at = CASE WHEN r.expires_at > v_now THEN r.expires_at ELSE excluded.expires_at END
  RETURNING * INTO v_request;

  IF v_request.digest <> p_digest THEN
    decision := 'conflict';
    RETURN;
  ELSIF v_request.response IS NOT NULL THEN
    decision := 'replay';
    stored_response := v_request.response;
    RETURN;
  END IF;

  -- An INSERT would wait for whoever has locked the order. So it comes last.
  SELECT * INTO v_order FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key FOR UPDATE SKIP LOCKED;
  IF NOT FOUND AND NOT EXISTS (SELECT FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key) THEN
    INSERT INTO ${prefix}order_sync_orders AS o (order_key) VALUES (p_order_key)
    ON CONFLICT (order_key) DO NOTHING
    RETURNING * INTO v_order;
  END IF;
  IF v_order.order_key IS NULL THEN
    decision := 'busy';
    RETURN;
  END IF;

  -- Read the clock again: the locks may have taken time.
  v_now := clock_timestamp();
  IF v_order.last_modify_time IS NOT NULL AND NOT (p_modify_time > v_order.last_modify_time AND (
    NOT p_compare_processed_at OR p_modify_time > extract(epoch FROM v_order.last_processed_at) * 1000
  )) THEN
    decision := CASE WHEN p_modify_time = v_order.last_modify_time THEN 'duplicate' ELSE 'stale' END;
    stored_response := v_order.last_response;
    last_modify_time := v_order.last_modify_time;
    last_content := v_order.last_content;
  ELSIF v_order.lease_until > v_now AND (v_order.leased_at > v_now + interval '1 second') IS NOT TRUE THEN
    decision := 'busy';
  ELSE
    decision := 'process';
    UPDATE ${prefix}order_sync_orders o SET
      token       = nextval('${prefix}order_sync_token'),
      leased_at   = v_now,
      lease_until = v_now + p_lease_ms * interval '1 millisecond'
    WHERE o.order_key = p_order_key
    RETURNING o.token INTO token;
  END IF;
END $$;

CREATE FUNCTION ${prefix}order_sync_finish(
  p_order_key text, p_request_key text, p_digest text, p_modify_time bigint,
  p_token bigint, p_response text, p_processed boolean, p_response_ttl_ms bigint,
  p_content text DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  -- Lock the request first, also when it has expired and was deleted.
  INSERT INTO ${prefix}order_sync_requests AS r (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms * interval '1 millisecond')
  ON CONFLICT (request_key) DO UPDATE SET expires_at = excluded.expires_at;
  UPDATE ${prefix}order_sync_orders o SET
    lease_until       = NULL,
    last_modify_time  = CASE WHEN p_processed THEN p_modify_time ELSE o.last_modify_time END,
    last_processed_at = CASE WHEN p_processed THEN v_now ELSE o.last_processed_at END,
    last_response     = CASE WHEN p_processed THEN p_response ELSE o.last_response END,
    last_content      = CASE WHEN p_processed THEN p_content ELSE o.last_content END
  WHERE o.order_key = p_order_key AND o.token = p_token AND o.lease_until IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE ${prefix}order_sync_requests r SET response = p_response WHERE r.request_key = p_request_key;
  RETURN true;
END $$;

UPDATE ${prefix}order_sync_schema SET version = 3;
`
}

/** Repeats text of the migration before it: a migration that has run somewhere must never change. */
function forgetOrders(prefix: string): string {
  return `
-- The order of a request that has a response. Null when it was stored before.
ALTER TABLE ${prefix}order_sync_requests ADD COLUMN order_key text;
CREATE INDEX order_sync_requests_order ON ${prefix}order_sync_requests (order_key) WHERE order_key IS NOT NULL;

CREATE OR REPLACE FUNCTION ${prefix}order_sync_finish(
  p_order_key text, p_request_key text, p_digest text, p_modify_time bigint,
  p_token bigint, p_response text, p_processed boolean, p_response_ttl_ms bigint,
  p_content text DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  -- Lock the request first, also when it has expired and was deleted.
  INSERT INTO ${prefix}order_sync_requests AS r (request_key, digest, expires_at)
  VALUES (p_request_key, p_digest, v_now + p_response_ttl_ms * interval '1 millisecond')
  ON CONFLICT (request_key) DO UPDATE SET expires_at = excluded.expires_at;
  UPDATE ${prefix}order_sync_orders o SET
    lease_until       = NULL,
    last_modify_time  = CASE WHEN p_processed THEN p_modify_time ELSE o.last_modify_time END,
    last_processed_at = CASE WHEN p_processed THEN v_now ELSE o.last_processed_at END,
    last_response     = CASE WHEN p_processed THEN p_response ELSE o.last_response END,
    last_content      = CASE WHEN p_processed THEN p_content ELSE o.last_content END
  WHERE o.order_key = p_order_key AND o.token = p_token AND o.lease_until IS NOT NULL;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE ${prefix}order_sync_requests r SET response = p_response, order_key = p_order_key
  WHERE r.request_key = p_request_key;
  RETURN true;
END $$;

-- Forgets that an order was processed or refused: 'forgotten', 'unknown', or 'busy' while a claim holds it. The digests of its
-- requests stay: another content under the same requestId is still a conflict. Locks requests first, as the other functions do.
CREATE FUNCTION ${prefix}order_sync_forget(p_order_key text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz;
  v_order ${prefix}order_sync_orders;
  v_requests bigint;
BEGIN
  PERFORM FROM ${prefix}order_sync_requests r WHERE r.order_key = p_order_key ORDER BY r.request_key FOR UPDATE;
  SELECT * INTO v_order FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key FOR UPDATE SKIP LOCKED;
  v_now := clock_timestamp();
  IF v_order.order_key IS NULL THEN
    RETURN CASE WHEN EXISTS (SELECT FROM ${prefix}order_sync_orders o WHERE o.order_key = p_order_key) THEN 'busy' ELSE 'unknown' END;
  ELSIF v_order.lease_until > v_now AND (v_order.leased_at > v_now + interval '1 second') IS NOT TRUE THEN
    RETURN 'busy';
  END IF;
  UPDATE ${prefix}order_sync_orders o SET
    last_modify_time = NULL, last_processed_at = NULL, last_response = NULL, last_content = NULL
  WHERE o.order_key = p_order_key;
  UPDATE ${prefix}order_sync_requests r SET response = NULL, order_key = NULL WHERE r.order_key = p_order_key;
  GET DIAGNOSTICS v_requests = ROW_COUNT;
  RETURN CASE WHEN v_order.last_modify_time IS NULL AND v_requests = 0 THEN 'unknown' ELSE 'forgotten' END;
END $$;

UPDATE ${prefix}order_sync_schema SET version = 4;
`
}
