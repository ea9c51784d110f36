-- What every database of the stand-in has beside the tables of its users.
CREATE SCHEMA IF NOT EXISTS redshift;

-- Functions of Redshift that PostgreSQL lacks.
CREATE OR REPLACE FUNCTION redshift.getdate() RETURNS timestamp LANGUAGE sql VOLATILE
  AS $$ SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION redshift.sysdate() RETURNS timestamp LANGUAGE sql STABLE
  AS $$ SELECT now() AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION redshift.json_parse(text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT $1::jsonb $$;
-- Redshift writes no blanks between the tokens of JSON.
CREATE OR REPLACE FUNCTION redshift.json_serialize(jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT regexp_replace($1::text, '("(?:[^"\\]|\\.)*")|\s+', '\1', 'g') $$;
CREATE OR REPLACE FUNCTION redshift.json_typeof(jsonb) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT jsonb_typeof($1) $$;
CREATE OR REPLACE FUNCTION redshift.can_json_parse(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT
  AS $$ BEGIN PERFORM $1::jsonb; RETURN true; EXCEPTION WHEN invalid_text_representation THEN RETURN false; END $$;
CREATE OR REPLACE FUNCTION redshift.is_valid_json(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT
  AS $$ BEGIN RETURN jsonb_typeof($1::jsonb) = 'object'; EXCEPTION WHEN invalid_text_representation THEN RETURN false; END $$;
CREATE OR REPLACE FUNCTION redshift.is_valid_json_array(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT
  AS $$ BEGIN RETURN jsonb_typeof($1::jsonb) = 'array'; EXCEPTION WHEN invalid_text_representation THEN RETURN false; END $$;
CREATE OR REPLACE FUNCTION redshift.json_extract_path_text(text, VARIADIC text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT jsonb_extract_path_text($1::jsonb, VARIADIC $2) $$;
CREATE OR REPLACE FUNCTION redshift.len(text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT char_length($1) $$;
CREATE OR REPLACE FUNCTION redshift.sha2(text, integer) RETURNS text LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT encode(CASE $2 WHEN 224 THEN sha224(convert_to($1, 'UTF8')) WHEN 384 THEN sha384(convert_to($1, 'UTF8'))
    WHEN 512 THEN sha512(convert_to($1, 'UTF8')) ELSE sha256(convert_to($1, 'UTF8')) END, 'hex') $$;
CREATE OR REPLACE FUNCTION redshift.convert_timezone(text, timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT ($2 AT TIME ZONE 'UTC') AT TIME ZONE $1 $$;
CREATE OR REPLACE FUNCTION redshift.dateadd(part text, amount bigint, moment timestamp) RETURNS timestamp LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT moment + CASE WHEN part LIKE 'quarter%' THEN make_interval(months => 3 * amount::integer)
    ELSE (amount || ' ' || part)::interval END $$;
CREATE OR REPLACE FUNCTION redshift.datediff(part text, earlier timestamp, later timestamp) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
  AS $$ SELECT CASE rtrim(part, 's')
    WHEN 'year' THEN extract(year FROM later)::bigint - extract(year FROM earlier)::bigint
    WHEN 'month' THEN (extract(year FROM later)::bigint - extract(year FROM earlier)::bigint) * 12
      + extract(month FROM later)::bigint - extract(month FROM earlier)::bigint
    WHEN 'day' THEN later::date - earlier::date
    WHEN 'hour' THEN extract(epoch FROM date_trunc('hour', later) - date_trunc('hour', earlier))::bigint / 3600
    WHEN 'minute' THEN extract(epoch FROM date_trunc('minute', later) - date_trunc('minute', earlier))::bigint / 60
    WHEN 'second' THEN extract(epoch FROM date_trunc('second', later) - date_trunc('second', earlier))::bigint END $$;

-- Columns whose type can never be altered: keys, and some encodings.
CREATE TABLE IF NOT EXISTS redshift.fixed_column (relation oid, attribute smallint, why text);

-- VARCHAR(n) is n bytes in Redshift, n characters in PostgreSQL: a constraint counts the bytes.
CREATE OR REPLACE FUNCTION redshift.hold_to_bytes(target regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
  FOR found IN SELECT c.conname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    WHERE c.conrelid = target AND c.contype = 'c' AND starts_with(c.conname, 'bytes_')
      AND c.conname <> format('bytes_%s_%s', a.atttypmod - 4, a.attnum)
  LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', target, found.conname);
  END LOOP;
  FOR found IN SELECT a.attname, a.atttypmod - 4 AS bytes, format('bytes_%s_%s', a.atttypmod - 4, a.attnum) AS name
    FROM pg_attribute a WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
      AND a.atttypid = 'varchar'::regtype AND a.atttypmod > 4
      AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conrelid = target
        AND c.conname = format('bytes_%s_%s', a.atttypmod - 4, a.attnum))
  LOOP
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (octet_length(%I) <= %s)', target, found.name, found.attname, found.bytes);
  END LOOP;
END $$;

-- Views WITH NO SCHEMA BINDING. PostgreSQL binds views; these are taken away while what they read is changed.
CREATE TABLE IF NOT EXISTS redshift.late_view (view_schema text, view_name text, made text);
CREATE OR REPLACE FUNCTION redshift.release_late_views(target regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE found record;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM redshift.late_view) THEN RETURN; END IF;
  FOR found IN WITH RECURSIVE above (relation, depth) AS (
      SELECT target::oid, 0
      UNION SELECT r.ev_class, a.depth + 1 FROM above a
        JOIN pg_depend d ON d.refobjid = a.relation AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
        JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> a.relation)
    SELECT n.nspname, c.relname FROM above a JOIN pg_class c ON c.oid = a.relation JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN redshift.late_view v ON v.view_schema = n.nspname AND v.view_name = c.relname
      GROUP BY n.nspname, c.relname ORDER BY max(a.depth) DESC
  LOOP
    EXECUTE format('DROP VIEW %I.%I', found.nspname, found.relname);
  END LOOP;
END $$;
CREATE OR REPLACE FUNCTION redshift.bind_late_views() RETURNS void LANGUAGE plpgsql AS $$
DECLARE late record; made boolean;
BEGIN
  LOOP
    made := false;
    FOR late IN SELECT v.view_schema, v.view_name, v.made FROM redshift.late_view v
      WHERE to_regclass(format('%I.%I', v.view_schema, v.view_name)) IS NULL
    LOOP
      BEGIN
        -- Not if somebody drops it at the same time.
        PERFORM 1 FROM redshift.late_view v WHERE v.view_schema = late.view_schema AND v.view_name = late.view_name
          FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
          EXECUTE late.made;
          made := true;
        END IF;
      EXCEPTION WHEN serialization_failure OR undefined_table OR undefined_column OR invalid_schema_name
        OR undefined_function OR datatype_mismatch THEN NULL;
      END;
    END LOOP;
    EXIT WHEN NOT made;
  END LOOP;
END $$;

-- System tables: what a COPY met. They are not part of the transaction that they tell of.
CREATE TABLE IF NOT EXISTS redshift.sys_load_history (
  user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, status text,
  table_name text, start_time timestamp, end_time timestamp, duration bigint, data_source text, file_format text,
  loaded_rows bigint, loaded_bytes bigint, source_file_count integer, source_file_bytes bigint, error_count bigint, error_message text);
CREATE TABLE IF NOT EXISTS redshift.sys_load_error_detail (
  user_id integer, query_id bigint, transaction_id bigint, session_id integer, database_name text, table_id integer,
  start_time timestamp, file_name text, line_number bigint, column_name text, column_type text, column_length text,
  position integer, error_code integer, error_message text);
CREATE OR REPLACE VIEW redshift.stl_load_errors AS
  SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session, query_id AS query,
    file_name AS filename, line_number, column_name AS colname, column_type AS type, column_length AS col_length, position,
    ''::text AS raw_line, ''::text AS raw_field_value, error_code AS err_code, error_message AS err_reason
  FROM redshift.sys_load_error_detail;

-- What tables there are, in Redshift's words.
CREATE OR REPLACE VIEW redshift.svv_columns AS
  SELECT c.table_catalog::text, c.table_schema::text, c.table_name::text, c.column_name::text, c.ordinal_position::integer,
    c.column_default::text, c.is_nullable::text,
    CASE WHEN c.data_type = 'jsonb' THEN 'super' ELSE c.data_type::text END AS data_type,
    c.character_maximum_length::integer, c.numeric_precision::integer, c.numeric_precision_radix::integer,
    c.numeric_scale::integer, c.datetime_precision::integer, NULL::text AS remarks
  FROM information_schema.columns c WHERE c.table_schema <> 'redshift';
CREATE OR REPLACE VIEW redshift.svv_tables AS
  SELECT table_catalog::text, table_schema::text, table_name::text, table_type::text, NULL::text AS remarks
  FROM information_schema.tables WHERE table_schema <> 'redshift';
CREATE OR REPLACE VIEW redshift.pg_table_def AS
  SELECT n.nspname::text AS schemaname, c.relname::text AS tablename, a.attname::text AS column,
    CASE WHEN a.atttypid = 'jsonb'::regtype THEN 'super' ELSE format_type(a.atttypid, a.atttypmod) END AS type,
    'none'::text AS encoding, false AS distkey, 0 AS sortkey, a.attnotnull AS notnull
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r' AND n.nspname = ANY (current_schemas(false));
