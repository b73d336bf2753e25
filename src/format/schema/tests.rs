//! Decoding by tables, against messages built by hand.

use super::*;

static POINT: Schema = Schema {
    last_version: 1,
    flexible_from: Some(1),
    fields: &[
        Field::new("x", Kind::Int8),
        Field::new("label", Kind::String).nullable().tagged(1, 0).since(1),
        Field::new("y", Kind::Uint16),
        Field::new("weight", Kind::Int64).tagged(0, -1).since(1),
    ],
};
static LINE: Schema = Schema {
    last_version: 1,
    flexible_from: Some(1),
    fields: &[
        Field::new("name", Kind::String),
        Field::new("points", Kind::Array(&Kind::Struct(&POINT))).nullable(),
        Field::new("end", Kind::Struct(&POINT)).nullable(),
    ],
};

fn read<'a>(schema: &'static Schema, version: i16, bytes: &'a [u8]) -> Result<Value<'a>> {
    decode(schema, version, &mut Cursor::new(bytes, Position(100)))
}

fn failure(schema: &'static Schema, version: i16, bytes: &[u8]) -> (u64, String) {
    let error = read(schema, version, bytes).unwrap_err();
    (error.position.0, error.kind.to_string())
}

#[test]
fn fixed_and_flexible_lengths() {
    let point = |x, y| Value::Struct(vec![("x", Value::Int(x)), ("y", Value::Int(y))]);
    let expected = Value::Struct(vec![
        ("name", Value::Str(b"ab")),
        ("points", Value::Array(vec![point(-1, 65535), point(2, 3)])),
        ("end", Value::Null),
    ]);
    let fixed = [0, 2, 97, 98, 0, 0, 0, 2, 0xff, 0xff, 0xff, 2, 0, 3, 0xff];
    let flexible = [3, 97, 98, 3, 0xff, 0xff, 0xff, 0, 2, 0, 3, 0, 0xff, 0];
    assert_eq!(read(&LINE, 0, &fixed), Ok(expected.clone()));
    assert_eq!(read(&LINE, 1, &flexible), Ok(expected));
    let nothing = read(&LINE, 1, &[1, 0, 1, 5, 0, 6, 0, 0]);
    let expected = [("name", Value::Str(b"")), ("points", Value::Null), ("end", point(5, 6))];
    assert_eq!(nothing, Ok(Value::Struct(expected.to_vec())));
}

#[test]
fn tagged_fields_stand_in_the_order_of_the_schema_and_not_at_their_default() {
    let names = |bytes: &[u8]| match read(&POINT, 1, bytes).unwrap() {
        Value::Struct(fields) => fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let weight = [0, 8, 0, 0, 0, 0, 0, 0, 0, 7];
    let no_weight = [0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let label = [1, 2, 2, 97];
    assert_eq!(names(&[&[1, 0, 2, 0][..]].concat()), ["x", "y"]);
    assert_eq!(
        names(&[&[1, 0, 2, 2], &weight[..], &label].concat()),
        ["x", "label", "y", "weight"]
    );
    assert_eq!(names(&[&[1, 0, 2, 2], &no_weight[..], &[1, 1, 1]].concat()), ["x", "y"]);
    // The later one counts, an unknown one is stepped over, and a null one is not the default.
    assert_eq!(names(&[&[1, 0, 2, 2], &weight[..], &no_weight].concat()), ["x", "y"]);
    assert_eq!(names(&[1, 0, 2, 2, 9, 2, 5, 5, 1, 1, 0]), ["x", "label", "y"]);
}

#[test]
fn what_is_wrong_is_said_as_kafka_says_it_and_where() {
    let cases: [(&[u8], u64, &str); 8] = [
        (&[], 100, "null"),
        (&[0], 101, "non-nullable field name was serialized as null"),
        (&[5, 1], 101, "Error reading byte array of 4 byte(s): only 1 byte(s) available"),
        (&[0x81, 0x80, 2], 103, "string field name had invalid length 32768"),
        (
            &[0x80, 0x80, 0x80, 0x80, 0xf0],
            100,
            "Varint is too long, the most significant bit in the 5th byte is set, \
             converted value: 0",
        ),
        (
            &[1, 0xff, 0xff, 0xff, 0xff, 7, 1],
            106,
            "Tried to allocate a collection of size 2147483646, but there are only 1 bytes \
             remaining.",
        ),
        (&[1, 2, 1, 0, 2, 1, 9, 0xff, 0xff, 0xff, 0xff, 0xf], 112, "-1"),
        (&[1, 2, 1, 0, 2, 1, 9, 3, 0], 108, {
            "Error reading byte array of 3 byte(s): only 1 byte(s) available"
        }),
    ];
    for (bytes, position, text) in cases {
        assert_eq!(failure(&LINE, 1, bytes), (position, text.to_owned()), "{bytes:?}");
    }
    assert_eq!(failure(&LINE, 2, &[1, 2, 1]).1, "Can't read version 2");
    let error = FormatError::from(read(&LINE, 1, &[5, 1]).unwrap_err());
    let kind = FormatErrorKind::Truncated { needed: 4, have: 1 };
    assert_eq!(error, FormatError::new(Position(101), kind));
}

#[test]
fn a_count_of_tagged_fields_beyond_i32_is_none() {
    assert!(read(&POINT, 1, &[1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xf]).is_ok());
}
