"""What people get wrong on the command line: one clear line each, nothing done, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command_line import Run

pytestmark = pytest.mark.usefixtures("no_rate_limits")

LOAD = ("load", "leads.csv", "--to", "x.duckdb", "--table", "t", "--key", "email")
# One row: what people get wrong, the exit code, and what the line must say.
BAD_INPUT: dict[str, tuple[list[str], int, str]] = {
    "unknown_command": (["extrct"], 2, "No such command"),
    "no_endpoint": (["extract"], 2, "Missing argument 'ENDPOINT'"),
    "unknown_option": (["extract", "customers", "--wher", "a=b"], 2, "--where"),
    "unknown_endpoint": (["extract", "custmers"], 2, "Did you mean customers"),
    "unknown_endpoint_without_a_near_one": (["extract", "xyzzy"], 2, "`connector endpoints` lists them all"),
    "unknown_column_in_columns": (["extract", "customers", "--columns", "emial"], 2, "Did you mean email"),
    "unknown_column_in_where": (["extract", "customers", "--where", "emial=x"], 2, "Did you mean email"),
    "empty_columns": (["extract", "customers", "--columns", ","], 2, 'no column ""'),
    "no_columns": (["extract", "customers", "--columns", ""], 2, "'--columns': it is empty"),
    "to_nowhere": (["extract", "customers", "--to", ""], 2, "'--to': it is empty"),
    "load_to_nowhere": (["load", "leads.csv", "--to", ""], 2, "'--to': it is empty"),
    "no_connection": (["extract", "customers", "--connection", ""], 2, "'--connection': it is empty"),
    "sync_no_connection": (["sync", "good.toml", "--connection", ""], 2, "'--connection': it is empty"),
    "no_operator": (["extract", "customers", "--where", "email"], 2, "is not a condition"),
    "empty_condition": (["extract", "customers", "--where", ""], 2, "is not a condition"),
    "wrong_enum_value": (["extract", "invoices", "--where", "status=payd"], 2, "Did you mean paid?"),
    "misspelt_date": (["extract", "invoices", "--where", "created>=monthstrat"], 2, "Did you mean monthstart"),
    "date_that_does_not_exist": (["extract", "invoices", "--where", "created>=2026-02-30"], 2, "2026-02-30"),
    "offset_without_unit": (["extract", "invoices", "--where", "created>=monthstart-1"], 2, "needs one of the units"),
    "year_alone": (["extract", "invoices", "--where", "created>=2022"], 2, "2022-01-31"),
    "two_values_for_an_order": (["extract", "invoices", "--where", "created>=a,b"], 2, "exactly one value"),
    "text_for_a_number": (["extract", "invoices", "--where", "amount_due>lots"], 2, "is a whole number"),
    "text_for_a_boolean": (["extract", "products", "--where", "active=perhaps"], 2, "is true or false"),
    "json_compared": (["extract", "customers", "--where", "metadata=x"], 2, "holds JSON"),
    "only_stripe_can_decide": (["extract", "events", "--where", "delivery_success!=true"], 2, "only Stripe can decide"),
    "strict_and_local": (["extract", "charges", "--where", "amount>1", "--strict"], 2, "--strict refuses"),
    "no_window": (["extract", "billing_meter_event_summaries"], 2, "needs a time window"),
    "negative_limit": (["extract", "customers", "--limit", "-1"], 2, "-1 is not in the range"),
    "limit_in_words": (["extract", "customers", "--limit", "ten"], 2, "'ten' is not a valid integer"),
    "no_requests_a_second": (["extract", "customers", "--max-rps", "0"], 2, "0.0 is not in the range x>0"),
    "fewer_than_no_requests": (["extract", "customers", "--max-rps", "-1"], 2, "-1.0 is not in the range x>0"),
    "requests_a_second_in_words": (["extract", "customers", "--max-rps", "fast"], 2, "'fast' is not a valid float"),
    "endless_requests_a_second": (["extract", "customers", "--max-rps", "inf"], 2, "max_rps must be a number above 0"),
    "sync_no_requests_a_second": (["sync", "good.toml", "--max-rps", "0"], 2, "0.0 is not in the range x>0"),
    "unknown_format": (["extract", "customers", "--format", "cvs"], 2, "'cvs' is not one of"),
    "unknown_suffix": (["extract", "customers", "--to", "customers.cvs"], 2, "csv"),
    "no_suffix": (["extract", "customers", "--to", "customers"], 2, "customers"),
    "table_into_a_file": (["extract", "customers", "--format", "table", "--to", "x.csv"], 2, "for the terminal"),
    "unknown_target": (["extract", "customers", "--to", "oracle://x/y"], 2, "oracle"),
    "target_folder_missing": (["extract", "customers", "--to", "no/such/customers.csv"], 1, "no"),
    "target_is_a_folder": (["extract", "customers", "--to", "folder.csv"], 1, "folder.csv"),
    "duckdb_that_is_none": (["extract", "customers", "--to", "notes.duckdb"], 1, "notes.duckdb"),
    "unknown_zone": (["extract", "customers", "--time-zone", "Europe/Berln"], 2, "Europe/Berlin"),
    "unknown_weekday": (["extract", "customers", "--week-start", "mnday"], 2, "monday"),
    "unknown_connection": (["extract", "customers", "--connection", "shop"], 2, "shop"),
    "config_missing": (["extract", "customers", "--connection", "x", "--config", "no.toml"], 2, "no.toml"),
    "config_broken": (["extract", "customers", "--connection", "x", "--config", "broken.toml"], 2, "broken.toml"),
    "api_base_not_https": (["extract", "customers", "--api-base", "http://example.com"], 2, "https"),
    "nobody_answers": (["extract", "customers", "--config", "nobody.toml", "--connection", "nobody"], 1, "No response"),
    "account_of_another": (["extract", "customers", "--account", "acct_1234567890123456"], 1, "acct_"),
    "account_misspelt": (["extract", "customers", "--account", "cus_1"], 2, "acct_"),
    "definitions_missing": (["extract", "mine", "--definitions", "nowhere"], 2, "nowhere"),
    "definition_broken": (["extract", "mine", "--definitions", "definitions"], 2, "definitions/mine.toml"),
    "sync_without_config": (["sync"], 2, "Missing argument 'CONFIG'"),
    "sync_config_missing": (["sync", "no.toml"], 2, "no.toml"),
    "sync_config_broken": (["sync", "broken.toml"], 2, "broken.toml"),
    "sync_unknown_key": (["sync", "unknown_key.toml"], 2, "Did you mean endpoints"),
    "sync_unknown_endpoint": (["sync", "unknown_endpoint.toml"], 2, "Did you mean customers"),
    "sync_into_a_file": (["sync", "into_a_file.toml"], 2, "is no database"),
    "sync_stale_condition": (["sync", "stale_condition.toml"], 2, "prune = true"),
    "sync_child_without_parent": (["sync", "child_alone.toml"], 2, 'add "invoices" to endpoints'),
    "sync_only_what_it_does_not_sync": (["sync", "good.toml", "--only", "invoices"], 2, "does not sync invoices"),
    "state_config_missing": (["state", "no.toml"], 2, "no.toml"),
    "state_reset_of_what_never_was": (["state", "good.toml", "--reset", "coupons"], 2, "never been synced"),
    "dates_unknown_word": (["dates", "tody"], 2, "Did you mean today?"),
    "dates_empty": (["dates", ""], 2, "it is empty"),
    "endpoints_unknown": (["endpoints", "invoces"], 2, "Did you mean invoices"),
    "check_unknown": (["check", "--only", "invoces"], 2, "Did you mean invoices"),
    "sandbox_bad_faults": (["sandbox", "--port", "0", "--faults", "drop=lots"], 2, "drop"),
    "sandbox_negative_latency": (["sandbox", "--port", "0", "--latency-ms", "-5"], 2, "negative"),
    "load_nothing": (["load"], 2, "Missing argument 'SOURCE'"),
    "load_nowhere": (["load", "leads.csv"], 2, "Missing option '--to'"),
    "load_missing_source": (["load", "no.csv", "--to", "x.duckdb", "--table", "t", "--key", "id"], 2, "no.csv"),
    "load_without_table": (["load", "leads.csv", "--to", "x.duckdb", "--key", "id"], 2, "Name the table"),
    "load_without_key": (["load", "leads.csv", "--to", "x.duckdb", "--table", "t"], 2, "--key id"),
    "load_unknown_mode": (["load", "leads.csv", "--to", "x.duckdb", "--mode", "upsret"], 2, "'upsret' is not one of"),
    "load_unknown_key": (
        ["load", "leads.csv", "--to", "x.duckdb", "--table", "t", "--key", "emial"],
        2,
        'key column "emial"',
    ),
    "load_bad_map": ([*LOAD, "--map", "x"], 2, "NAME=VALUE"),
    "load_bad_scope": ([*LOAD, "--scope", "region=eu"], 2, "of no use to another mode"),
    "load_swap_of_an_upsert": ([*LOAD, "--swap"], 2, "Only replace"),
    "load_sheet_of_a_csv": ([*LOAD, "--sheet", "A"], 2, "--sheet"),
    "load_unknown_encoding": ([*LOAD, "--encoding", "utf-9"], 2, "utf-9"),
    "load_wide_delimiter": ([*LOAD, "--delimiter", ";;"], 2, "A delimiter is one character"),
    "load_variable_unset": (["load", "leads.csv", "--to", "${NOT_SET}", "--table", "t"], 2, "NOT_SET"),
    "load_unknown_scheme": (
        ["load", "leads.csv", "--to", "oracel://x/y", "--table", "t", "--key", "email"],
        2,
        "oracel",
    ),
    "load_unknown_file": (["load", "leads.cvs", "--to", "x.duckdb", "--table", "t", "--key", "email"], 2, "leads.cvs"),
    "load_lock_wait_in_words": (["load", "leads.csv", "--to", "x.duckdb", "--lock-wait", "long"], 2, "'long'"),
    "load_from_a_text_that_is_no_excel": (
        ["load", "notes.xlsx", "--to", "x.duckdb", "--table", "t", "--key", "email"],
        1,
        "notes.xlsx",
    ),
    "load_from_a_text_that_is_no_parquet": (
        ["load", "notes.parquet", "--to", "x.duckdb", "--table", "t", "--key", "email"],
        1,
        "notes.parquet",
    ),
    "request_nothing": (["request"], 2, "Missing argument 'METHOD'"),
    "request_no_url": (["request", "GET"], 2, "Missing argument 'URL'"),
    "request_unknown_method": (["request", "FETCH", "/v1/events"], 2, 'no method "FETCH"'),
    "request_empty_url": (["request", "GET", ""], 2, "The URL is empty"),
    "request_body_of_a_get": (["request", "GET", "/v1/events", "--body", "x"], 2, "A GET carries no body"),
    "request_bad_query": (["request", "GET", "/v1/events", "--query", "x"], 2, "write key=value"),
    "request_bad_header": (["request", "GET", "/v1/events", "-H", "x"], 2, "has no colon"),
    "request_bad_filter": (["request", "GET", "/v1/events", "--filter", "$.["], 2, "$.["),
    "request_negative_limit": (["request", "GET", "/v1/events", "--limit", "-1"], 2, "-1"),
    "request_of_another_host": (["request", "GET", "https://example.com/x"], 2, "example.com"),
    "request_pages_of_a_post": (["request", "POST", "/v1/customers", "--paginate"], 2, "--paginate follows"),
    "request_two_bodies": (
        ["request", "POST", "/v1/customers", "--form", "a=1", "--body", "x"],
        2,
        "one body, not two",
    ),
    "request_multipart_of_nothing": (["request", "POST", "/v1/files", "--multipart"], 2, "--multipart needs"),
    "request_body_file_missing": (["request", "POST", "/v1/customers", "--body", "@no.json"], 2, "no.json"),
    "request_raw_rows": (["request", "GET", "/v1/events", "--raw", "--paginate"], 2, "--raw is one response"),
    "request_raw_into_a_database": (["request", "GET", "/v1/events", "--raw", "--to", "x.duckdb"], 2, "--raw goes to"),
    "request_key_of_a_file": (["request", "GET", "/v1/events", "--key", "id", "--to", "x.csv"], 2, "--key is for"),
    "request_replace_of_nothing": (["request", "GET", "/v1/events", "--replace"], 2, "--replace is for"),
    "request_from_a_missing_file": (["request", "GET", "/v1/customers/{id}", "--from", "no.csv"], 2, "no.csv"),
    "request_unknown_placeholder": (["request", "GET", "/v1/customers/{idd}", "--from", "leads.csv"], 2, "{idd}"),
    "request_save_without_a_filter_for_rows": (
        ["request", "GET", "/v1/events", "--save", "Not A Name"],
        2,
        "Not A Name",
    ),
    "request_version_that_is_none": (["request", "GET", "/v1/events", "--stripe-version", "new"], 2, "new"),
    "request_that_stripe_does_not_know": (["request", "GET", "/v1/evnets"], 1, "/v1/evnets"),
    "init_unknown_table": (["init", "--tables", "custmers"], 2, "Did you mean customers"),
    "draft_of_nothing": (["endpoints", "--draft", "x"], 2, "NAME=PATH"),
    "endpoints_definitions_missing": (["endpoints", "--definitions", "nowhere"], 2, "nowhere"),
    "actions_unknown": (["endpoints", "invoices.pai"], 2, "pai"),
    "dates_unknown_zone": (["dates", "today", "--time-zone", "Mars"], 2, "Mars"),
    "dates_unknown_weekday": (["dates", "today", "--week-start", "mo"], 2, "mo"),
    "dates_far_away": (["dates", "today+99999999y"], 2, "today+99999999y"),
    "dates_nothing": (["dates"], 2, "Missing argument 'TOKEN'"),
    "check_of_another_account": (["check", "--account", "cus_1"], 2, "acct_"),
    "sync_connection_unknown": (["sync", "good.toml", "--connection", "shop"], 2, "shop"),
    "sync_unknown_format": (["sync", "good.toml", "--log-format", "xml"], 2, "'xml' is not one of"),
    "sync_api_base_not_https": (["sync", "good.toml", "--api-base", "http://example.com"], 2, "https"),
    "sync_of_a_folder": (["sync", "definitions"], 2, "definitions"),
    "sync_of_what_is_no_text": (["sync", "notes.duckdb"], 2, "notes.duckdb"),
    "sandbox_unknown_size": (["sandbox", "--port", "0", "--size", "huge"], 2, "'huge' is not one of"),
    "sandbox_keys_missing": (["sandbox", "--port", "0", "--keys", "no.toml"], 2, "no.toml"),
    "sandbox_port_of_none": (["sandbox", "--port", "99999"], 2, "99999"),
    "demo_seed_in_words": (["demo", "--seed", "one"], 2, "'one' is not a valid integer"),
}


SYNC_CONFIGS = {
    "good": 'to = "duckdb:///s.duckdb"\nendpoints = ["customers"]',
    "unknown_key": 'to = "duckdb:///s.duckdb"\nendpoint = ["customers"]',
    "unknown_endpoint": 'to = "duckdb:///s.duckdb"\nendpoints = ["custmers"]',
    "into_a_file": 'to = "customers.csv"\nendpoints = ["customers"]',
    "stale_condition": 'to = "duckdb:///s.duckdb"\n[sync.invoices]\nwhere = { status = "paid" }',
    "child_alone": 'to = "duckdb:///s.duckdb"\nendpoints = ["invoice_lines"]',
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_gets_one_clear_line_and_nothing_is_done(name: str, connector: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "leads.csv").write_text("email,name\njane@example.com,Jane\n", encoding="utf-8")
    for suffix in ("xlsx", "parquet"):
        (tmp_path / f"notes.{suffix}").write_text("just some notes", encoding="utf-8")
    (tmp_path / "broken.toml").write_text("[connections.x\n", encoding="utf-8")
    (tmp_path / "notes.duckdb").write_text("just some notes, long enough to be a file of something else" * 100)
    for config, text in SYNC_CONFIGS.items():
        (tmp_path / f"{config}.toml").write_text(text + "\n", encoding="utf-8")
    (tmp_path / "nobody.toml").write_text(
        '[connections.nobody]\nkey = "sk_test_1"\napi_base = "http://127.0.0.1:9"\ntotal_seconds = 1\n'
    )
    (tmp_path / "definitions").mkdir()
    (tmp_path / "definitions" / "mine.toml").write_text("path = 3\n", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    arguments, expected, message = BAD_INPUT[name]
    settings = {"STRIPE_API_KEY": "sk_test_sandbox"}
    code, out, err = connector(*arguments, **settings)
    assert code == expected, err
    assert message in err
    assert "Traceback" not in err
    assert "this should not happen" not in err
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before
