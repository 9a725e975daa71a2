"""Database refusals that migrations install. Triggers here only refuse; they never compute."""

from django.db import migrations

REFUSE_FUNCTION = """
CREATE OR REPLACE FUNCTION loyaltycrm_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are never changed or deleted', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
"""


def append_only(table: str) -> migrations.RunSQL:
    """A migration step after which the database refuses UPDATE, DELETE and TRUNCATE on the table."""
    return migrations.RunSQL(
        sql=[
            REFUSE_FUNCTION,
            f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION loyaltycrm_refuse_change()""",
            f"""CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION loyaltycrm_refuse_change()""",
        ],
        reverse_sql=[
            f"DROP TRIGGER {table}_append_only ON {table}",
            f"DROP TRIGGER {table}_no_truncate ON {table}",
        ],
    )


def unchanging(table: str, *columns: str) -> migrations.RunSQL:
    """A migration step after which the database refuses to change these columns, and DELETE and TRUNCATE."""
    differs = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return migrations.RunSQL(
        sql=[
            REFUSE_FUNCTION,
            f"""CREATE TRIGGER {table}_unchanging BEFORE UPDATE ON {table}
                FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION loyaltycrm_refuse_change()""",
            f"""CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION loyaltycrm_refuse_change()""",
            f"""CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
                FOR EACH STATEMENT EXECUTE FUNCTION loyaltycrm_refuse_change()""",
        ],
        reverse_sql=[
            f"DROP TRIGGER {table}_unchanging ON {table}",
            f"DROP TRIGGER {table}_no_delete ON {table}",
            f"DROP TRIGGER {table}_no_truncate ON {table}",
        ],
    )


# A merge locks the profile against this lock, so that after a wait the row says what the merge made of it.
MERGED_FUNCTION = """
CREATE OR REPLACE FUNCTION loyaltycrm_refuse_merged() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stands_as bigint;
BEGIN
    SELECT merged_into_id INTO stands_as FROM customers_customer WHERE id = NEW.customer_id FOR KEY SHARE;
    IF stands_as IS NOT NULL THEN
        RAISE EXCEPTION 'customer % was merged into another: nothing is written for it on %',
            NEW.customer_id, TG_TABLE_NAME USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;
"""


def not_of_merged(table: str) -> migrations.RunSQL:
    """A migration step after which the database refuses rows of a customer that is merged into another.

    It says so as a failed serialization: who tries the whole transaction again finds the customer that stands.
    """
    return migrations.RunSQL(
        sql=[
            MERGED_FUNCTION,
            f"""CREATE TRIGGER {table}_not_of_merged BEFORE INSERT OR UPDATE OF customer_id ON {table}
                FOR EACH ROW EXECUTE FUNCTION loyaltycrm_refuse_merged()""",
        ],
        reverse_sql=[f"DROP TRIGGER {table}_not_of_merged ON {table}"],
    )


def forgetting(table: str, columns: list[str], **forgotten: str) -> migrations.RunSQL:
    """A migration step after which an append-only table also lets go of words about a person, and of nothing else.

    `columns` are all that never change; `forgotten` names the others, each with the one value (SQL, `OLD` is the row)
    that it may be given. DELETE and TRUNCATE stay refused.
    """
    same = [f"NEW.{column} IS NOT DISTINCT FROM OLD.{column}" for column in columns]
    gone = [
        f"(NEW.{column} IS NOT DISTINCT FROM OLD.{column} OR NEW.{column} = {value})"
        for column, value in forgotten.items()
    ]
    drop = f"DROP TRIGGER {table}_append_only ON {table}"
    only_forgets = " AND ".join(same + gone)
    return migrations.RunSQL(
        sql=[
            REFUSE_FUNCTION,
            drop,
            f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table}
                FOR EACH ROW WHEN (NOT ({only_forgets})) EXECUTE FUNCTION loyaltycrm_refuse_change()""",
            f"""CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION loyaltycrm_refuse_change()""",
        ],
        reverse_sql=[
            drop,
            f"DROP TRIGGER {table}_no_delete ON {table}",
            f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION loyaltycrm_refuse_change()""",
        ],
    )
