//! Many partitions in one file: what is open at once, and how many there may be.

use super::*;

/// A table whose rows lie each in the partition of its id.
fn by_id() -> Table {
    let mut table = table("t", vec![field("id", "bigint")]);
    table.partition_by = vec![Partitioning { column: "id".to_owned(), grain: Grain::Value }];
    table
}

fn ids(number: u64, ids: impl Iterator<Item = i64>) -> (Piece, Vec<u8>) {
    piece(number, None, 0, vec![("bigint", ids.map(Scalar::Integer).collect())])
}

#[test]
fn only_so_many_parts_are_open_at_once() {
    let mut table = table("t", vec![field("id", "bigint")]);
    table.partition_by = vec![Partitioning { column: "id".to_owned(), grain: Grain::Value }];
    let mut dataset = dataset(vec![table]);
    dataset.encoding.row_group_rows = 5;
    let input = input(dataset);
    let make = |number: u64| {
        let ids = (0..100).map(|row| Scalar::Integer((row + i64::try_from(number).unwrap() * 10) % 130)).collect();
        piece(number, None, 0, vec![("bigint", ids)])
    };
    let mut runs = Vec::new();
    for threads in [1, 4] {
        let sink = Memory::default();
        let transformed = transform_with(&input, &sink, threads, 20, &|| false, make).unwrap();
        assert_eq!(transformed.tables[0].rows, 2000);
        assert_eq!(transformed.tables[0].parts.iter().map(|part| part.rows).sum::<u64>(), 2000);
        // 130 partitions through 64 open ones: some come back to a second part.
        assert!(transformed.tables[0].parts.len() > 130);
        let parts = sink.parts.lock().unwrap().clone();
        runs.push((transformed, parts));
    }
    assert!(runs[0] == runs[1]);
}

/// Row groups wait for their rows in memory, however many partitions take turns; a part is open only while it is written.
#[test]
fn partitions_that_take_turns_share_few_parts() {
    let input = input(dataset(vec![by_id()]));
    let sink = Memory::default();
    let done = transform_with(&input, &sink, 2, 50, &|| false, |number| ids(number, 0..200)).unwrap();
    assert_eq!((done.tables[0].rows, done.tables[0].parts.len()), (10_000, 200));
    assert!(done.tables[0].parts.iter().all(|part| part.rows == 50));
}

#[test]
fn too_many_partitions_set_the_file_aside() {
    let unreadable = |dataset: Dataset, make: fn(u64) -> (Piece, Vec<u8>)| {
        let (input, sink) = (input(dataset), Memory::default());
        match transform_with(&input, &sink, 2, 40, &|| false, make) {
            Err(TransformError::Unreadable { message }) => message,
            other => panic!("{other:?}"),
        }
    };
    let mut few = dataset(vec![by_id()]);
    few.quality.max_partitions = Some(100);
    let expected = "has rows in more than 100 partitions, the limit quality.max_partitions (table t, placed by id), and each \
                    would be a file of its own; set partition_by to what has fewer values, such as month(…) of a date, or \
                    raise the limit";
    // In one chunk, and over several.
    assert_eq!(unreadable(few.clone(), |number| ids(number, 0..101)), expected);
    assert_eq!(
        unreadable(few.clone(), |number| ids(number, (0..10).map(move |id| id + 10 * i64::try_from(number).unwrap()))),
        expected
    );
    let enough = input(few.clone());
    assert!(transform_with(&enough, &Memory::default(), 2, 40, &|| false, |number| ids(number, 0..100)).is_ok());

    // As many parts as it likes a partition does not have either.
    few.encoding.row_group_rows = 1;
    few.quality.max_partitions = Some(80);
    let message = unreadable(few, |number| ids(number, 0..80));
    assert!(message.starts_with("has rows that make more than 800 small parts"), "{message}");
    let mut usual = dataset(vec![by_id()]);
    usual.quality.max_partitions = None;
    let message = unreadable(usual, |number| ids(number, 0..2_001));
    assert!(message.contains("more than 2000 partitions"), "{message}");
}
