//! Lists of images in Parquet files of others.

use crate::support::Stream;
use arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, DictionaryArray, Int64Array, LargeStringArray, RecordBatch,
    StringArray, StringViewArray,
};
use arrow::datatypes::Int32Type;
use featlas_store::{StoreError, read_path_list};
use parquet::arrow::ArrowWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn write(folder: &Path, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let path = folder.join("list.parquet");
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    fs_err::write(&path, writer.into_inner().unwrap()).unwrap();
    path
}

fn text(values: [&str; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn every_kind_of_text_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let values = ["a.jpg", "b/é.jpg", "b/é.jpg"];
    let kinds: Vec<ArrayRef> = vec![
        text(values),
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
        Arc::new(BinaryArray::from_iter_values(values)),
        Arc::new(BinaryViewArray::from_iter_values(values)),
        Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>()),
    ];
    for paths in kinds {
        let kind = paths.data_type().to_string();
        let labels: ArrayRef = Arc::new(StringArray::from(vec![Some("cat"), None, Some("dog")]));
        let file = write(folder.path(), vec![("label", labels), ("path", paths)]);
        let list = read_path_list(&file, "path", Some("label")).unwrap();
        let expected: Vec<_> = values
            .iter()
            .zip([Some("cat"), None, Some("dog")])
            .map(|(path, label)| (path.as_bytes().to_vec(), label.map(str::to_owned)))
            .collect();
        assert_eq!(list, expected, "{kind}");
        assert!(read_path_list(&file, "path", None).unwrap().iter().all(|(_, label)| label.is_none()));
    }
}

#[test]
fn paths_that_are_not_utf8_and_labels_that_are_numbers_survive() {
    let folder = tempfile::tempdir().unwrap();
    let paths: ArrayRef = Arc::new(BinaryArray::from_iter_values([b"\xff\xfe.jpg".as_slice()]));
    let labels: ArrayRef = Arc::new(Int64Array::from(vec![-7]));
    let file = write(folder.path(), vec![("p", paths), ("class", labels)]);
    let list = read_path_list(&file, "p", Some("class")).unwrap();
    assert_eq!(list, [(b"\xff\xfe.jpg".to_vec(), Some("-7".to_owned()))]);
}

#[test]
fn a_missing_column_is_named_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), vec![("file", text(["a", "b", "c"])), ("kind", text(["x", "y", "z"]))]);
    let err = read_path_list(&file, "path", None).unwrap_err();
    let expected = format!("no column `path`; the columns are `file`, `kind`: `{}`", file.display());
    assert_eq!(err.to_string(), expected);
    assert!(matches!(read_path_list(&file, "file", Some("label")), Err(StoreError::NoColumn { .. })));
}

#[test]
fn a_column_of_numbers_is_no_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), vec![("path", Arc::new(Int64Array::from(vec![1])))]);
    let err = read_path_list(&file, "path", None).unwrap_err();
    assert!(err.to_string().starts_with("column `path`: expected text or binary, got Int64: "), "{err}");
}

#[test]
fn a_row_without_path_is_counted_from_one() {
    let folder = tempfile::tempdir().unwrap();
    for hole in [None, Some("")] {
        let paths: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), hole]));
        let file = write(folder.path(), vec![("path", paths)]);
        let err = read_path_list(&file, "path", None).unwrap_err();
        assert!(err.to_string().starts_with("row 2 has no `path`: "), "{err}");
    }
}

#[test]
fn damaged_lists_are_errors_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), vec![("path", text(["a", "b", "c"]))]);
    let bytes = fs_err::read(&file).unwrap();
    for len in 0..bytes.len() {
        fs_err::write(&file, &bytes[..len]).unwrap();
        assert!(matches!(read_path_list(&file, "path", None), Err(StoreError::Parquet { .. })), "{len}");
    }
    let mut stream = Stream::new(3);
    for _ in 0..500 {
        let mut damaged = bytes.clone();
        let at = usize::try_from(stream.below(bytes.len() as u64)).unwrap();
        damaged[at] = stream.next().to_le_bytes()[0];
        fs_err::write(&file, &damaged).unwrap();
        // A list has no digest: damage may read as other names. It must only not end the program.
        drop(read_path_list(&file, "path", None));
    }
    assert!(matches!(
        read_path_list(&folder.path().join("none"), "path", None),
        Err(StoreError::Missing { .. })
    ));
}
