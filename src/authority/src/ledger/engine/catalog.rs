//! The tables and triggers of a ledger on a server, and how its catalog tells what is there.

use super::VERSION;

/// The schema that a ledger is in.
pub(super) const SCHEMA: &str = "countersign";
/// What the comment on the schema begins with; the version of the tables follows.
pub(super) const MARK: &str = "Countersign ledger, version ";

/// Makes the schema with all that is in it.
pub(super) fn creation() -> String {
    let definition = definition(SCHEMA);
    format!("CREATE SCHEMA {SCHEMA}; COMMENT ON SCHEMA {SCHEMA} IS '{MARK}{VERSION}'; {definition}")
}

/// Makes what is in the schema of a ledger, in a schema that is there.
pub(super) fn definition(schema: &str) -> String {
    DEFINITION.replace("{schema}", schema)
}

/// Triggers fire for the owner and for replication too. Numbers are given by whoever writes, and the trigger holds them
/// to their order.
const DEFINITION: &str = "
    CREATE TABLE {schema}.entries (
        seq BIGINT PRIMARY KEY,
        time TEXT NOT NULL,
        kind TEXT COLLATE \"C\" NOT NULL,
        subject TEXT COLLATE \"C\" NOT NULL,
        leaf BYTEA NOT NULL CHECK (octet_length(leaf) = 32),
        body BYTEA NOT NULL,
        token BYTEA CHECK ((token IS NULL) = (kind <> 'token-issued'))
    );
    CREATE INDEX entries_by_kind ON {schema}.entries (kind, seq) WHERE kind <> 'token-issued';
    CREATE INDEX entries_by_subject ON {schema}.entries (substr(subject, 1, 8), seq);
    CREATE TABLE {schema}.tree_heads (
        number BIGINT PRIMARY KEY,
        object BYTEA NOT NULL
    );
    CREATE TABLE {schema}.customers (
        id TEXT COLLATE \"C\" PRIMARY KEY,
        name TEXT NOT NULL,
        salt BYTEA NOT NULL CHECK (octet_length(salt) = 32)
    );

    CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
        BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;
    CREATE FUNCTION {schema}.next_entry() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
        BEGIN
            IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM {schema}.entries) THEN
                RAISE EXCEPTION 'entries are numbered in order';
            END IF;
            RETURN NEW;
        END $$;
    CREATE FUNCTION {schema}.next_tree_head() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
        BEGIN
            IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM {schema}.tree_heads) THEN
                RAISE EXCEPTION 'tree heads are numbered in order';
            END IF;
            RETURN NEW;
        END $$;

    CREATE TRIGGER entries_are_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.entries
        EXECUTE FUNCTION {schema}.refuse('the ledger is appended to, never changed');
    CREATE TRIGGER entries_follow_each_other BEFORE INSERT ON {schema}.entries
        FOR EACH ROW EXECUTE FUNCTION {schema}.next_entry();
    CREATE TRIGGER tree_heads_are_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.tree_heads
        EXECUTE FUNCTION {schema}.refuse('what was signed is never changed');
    CREATE TRIGGER tree_heads_follow_each_other BEFORE INSERT ON {schema}.tree_heads
        FOR EACH ROW EXECUTE FUNCTION {schema}.next_tree_head();
    CREATE TRIGGER salts_are_not_changed BEFORE UPDATE OF id, salt OR DELETE OR TRUNCATE ON {schema}.customers
        EXECUTE FUNCTION {schema}.refuse('the salt of a customer is constant');
    ALTER TABLE {schema}.entries ENABLE ALWAYS TRIGGER entries_are_not_changed;
    ALTER TABLE {schema}.entries ENABLE ALWAYS TRIGGER entries_follow_each_other;
    ALTER TABLE {schema}.tree_heads ENABLE ALWAYS TRIGGER tree_heads_are_not_changed;
    ALTER TABLE {schema}.tree_heads ENABLE ALWAYS TRIGGER tree_heads_follow_each_other;
    ALTER TABLE {schema}.customers ENABLE ALWAYS TRIGGER salts_are_not_changed;
";

/// A line for each thing in the schema that is named by `$1`: tables and indexes, columns, constraints, triggers,
/// functions, and what could hide or add rows (rules, policies, inheritance).
pub(super) const DESCRIPTION: &str = "
    WITH relation AS (
        SELECT c.* FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1
    )
    SELECT concat_ws(' ', 'relation', relname, relkind, replace(relpersistence::text, 't', 'p'), relrowsecurity,
        relforcerowsecurity, relispartition) FROM relation
    UNION ALL SELECT concat_ws(' ', 'column', r.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, l.collname, pg_get_expr(d.adbin, d.adrelid))
        FROM relation r JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0
    UNION ALL SELECT concat_ws(' ', 'constraint', r.relname, c.conname, pg_get_constraintdef(c.oid), c.convalidated)
        FROM relation r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
    UNION ALL SELECT concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
        FROM relation r JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    UNION ALL SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(t.oid), t.tgenabled)
        FROM relation r JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
    UNION ALL SELECT concat_ws(' ', 'rule', pg_get_ruledef(w.oid))
        FROM relation r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid
    UNION ALL SELECT concat_ws(' ', 'policy', r.relname, p.polname)
        FROM relation r JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
    UNION ALL SELECT concat_ws(' ', 'inherits', r.relname)
        FROM relation r JOIN pg_catalog.pg_inherits i ON r.oid IN (i.inhrelid, i.inhparent)
    UNION ALL SELECT concat_ws(' ', 'function', p.proname, pg_get_function_arguments(p.oid), format_type(p.prorettype, NULL),
        l.lanname, p.provolatile, p.prosecdef, p.proconfig, p.prosrc)
        FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        JOIN pg_catalog.pg_language l ON l.oid = p.prolang
        WHERE n.nspname = $1";
