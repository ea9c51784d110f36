use super::*;

fn again(sql: &str) -> String {
    render(&tokens(sql).unwrap())
}

#[test]
fn names_are_folded_whether_quoted_or_not() {
    assert_eq!(again(r#"SELECT Foo, "Bar" , "ä""x" FROM Public."T""#), r#"select foo, "bar", "ä""x" from public."t""#);
}

#[test]
fn a_backslash_escapes_in_every_string() {
    let text = |sql: &str| tokens(sql).unwrap().pop().unwrap().text;
    assert_eq!(text(r"'a\\b'"), r"a\b");
    assert_eq!(text(r"'it\'s'"), "it's");
    assert_eq!(text(r"'it''s\n'"), "it's\n");
    assert_eq!(text(r"'\d'"), "d");
    assert_eq!(again(r"SELECT 'a\\''b'"), r"select E'a\\''b'");
    assert!(tokens(r"SELECT '%' ESCAPE '\'").unwrap_err().message.contains("unterminated quoted string"));
}

#[test]
fn what_is_in_comments_and_strings_is_no_sql() {
    assert_eq!(again("SELECT 1 -- ; DROP TABLE t\n, /* a /* nested */ ; */ ';' "), "select 1, ';'");
    let pieces = statements(tokens("SELECT ';' ; ; SELECT $$;$$;").unwrap());
    assert_eq!(pieces.len(), 2);
    for broken in ["SELECT 'x", "SELECT \"x", "SELECT /* x", "SELECT $$x", "SELECT \"\""] {
        assert!(tokens(broken).is_err(), "{broken}");
    }
}

#[test]
fn numbers_parameters_and_casts_are_told_apart() {
    let kinds: Vec<_> =
        tokens("1.5e-3::int :name a:=2 .5").unwrap().into_iter().map(|token| (token.kind, token.text)).collect();
    let expected = [
        (Kind::Number, "1.5e-3"),
        (Kind::Symbol, "::"),
        (Kind::Word, "INT"),
        (Kind::Parameter, "name"),
        (Kind::Word, "A"),
        (Kind::Symbol, ":="),
        (Kind::Number, "2"),
        (Kind::Number, ".5"),
    ];
    assert_eq!(kinds, expected.map(|(kind, text)| (kind, text.to_owned())));
}

#[test]
fn a_name_longer_than_postgresql_keeps_is_refused_not_cut() {
    let name = "n".repeat(64);
    for sql in [format!("SELECT {name}"), format!("SELECT \"{name}\"")] {
        assert!(tokens(&sql).unwrap_err().message.starts_with("[stand-in] the name"), "{sql}");
    }
    assert!(tokens(&format!("SELECT '{name}'")).is_ok());
}
