//! Masks, subjects, lengths and what is unique.

use super::problems_of;

fn columns(privacy: &str, columns: &str) -> String {
    problems_of(&format!(
        "name = \"d\"\n[source]\nobjects = [\"{{a}}\"]\nformat = \"jsonl\"\n{privacy}\n[tables.t]\nmode = \"append\"\n[tables.t.columns]\n{columns}\n"
    ))
}

#[test]
fn masks_fit_their_columns() {
    let key = "privacy.mask_key = \"k1\"";
    let key = format!("[privacy]\n{}", key.trim_start_matches("privacy."));
    for (privacy, column, expected) in [
        (key.as_str(), "a = { type = \"varchar(67)\", mask = \"hmac\", subject = true, unique = true }", ""),
        ("", "a = { type = \"varchar(64)\", mask = \"sha256\", min_length = 1, max_length = 2 }", ""),
        ("", "a = { type = \"date\", mask = \"drop\" }", ""),
        (
            "",
            "a = { type = \"varchar(67)\", mask = \"hmac\" }",
            "9: tables.t.columns.a.mask: hmac needs a key; set mask_key in [privacy] to the name of a key of the settings",
        ),
        (
            key.as_str(),
            "a = { type = \"varchar(66)\", mask = \"hmac\" }",
            "10: tables.t.columns.a.mask: leaves a text of 67 bytes or more, which a varchar(66) does not hold; declare the column as varchar(67) or longer",
        ),
        (
            "",
            "a = { type = \"bigint\", mask = \"sha256\" }",
            "9: tables.t.columns.a.mask: leaves a text of 64 bytes or more, which a bigint does not hold; declare the column as varchar(64) or longer",
        ),
        (
            "",
            "a = { type = \"date\", mask = \"drop\", required = true }",
            "9: tables.t.columns.a.mask: drop leaves null, and the column is required; leave required out, or mask with redact",
        ),
        (
            "",
            "a = { type = \"varchar(9)\", mask = \"redact\", unique = true }",
            "9: tables.t.columns.a.mask: leaves the same of values that differ, and the column is unique; use hmac or sha256, or leave unique out",
        ),
        (
            "",
            "a = { type = \"varchar(9)\", capture = \"a\", mask = \"redact\" }",
            "9: tables.t.columns.a.mask: is not for parts of an object's name, which stays in _object as it is",
        ),
        (
            "",
            "a = { type = \"varchar(9)\", from = \"x.y\", mask = \"redact\" }\nb = { type = \"json\", from = \"x\" }",
            "6: tables.t.columns.b: holds what tables.t.columns.a masks; mask it too, or leave it out",
        ),
        (
            "[privacy]\nmask_key = \"K 1\"",
            "a = { type = \"date\" }",
            "6: privacy.mask_key: must be 1 to 20 small letters, digits and underscores, and is \"K 1\"",
        ),
        (
            "",
            "a = { type = \"varchar(9)\", min_length = 3, max_length = 2 }\nb = { type = \"date\", max_length = 2 }",
            "9: tables.t.columns.a.min_length: 3 is above max_length, 2: no text could pass\n10: tables.t.columns.b.max_length: is only for varchar; this column is date",
        ),
    ] {
        assert_eq!(columns(privacy, column), expected, "{column}");
    }
}
