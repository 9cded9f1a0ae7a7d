//! Tables as Parquet: written without arrow, read by pyarrow, polars, pandas and DuckDB.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::column::writer::ColumnCloseResult;
use ::parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{Type, TypePtr};
use bytes::Bytes;
use firstguess::sweep::{Column, ColumnData, Table};

/// Notes in a file's footer, by name.
pub(crate) type Notes = BTreeMap<String, String>;

/// What a Parquet file says of itself without its rows being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) rows: u64,
    pub(crate) notes: Notes,
}

/// Zstandard at its usual level: four times smaller than plain, and no slower to write than a disk.
fn properties(notes: &Notes) -> Result<WriterProperties, ParquetError> {
    let notes = notes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(notes.collect()))
        .build())
}

fn schema(table: &Table) -> Result<TypePtr, ParquetError> {
    let columns = table.columns.iter().map(|column| {
        let (physical, logical) = match column.data {
            ColumnData::Integer(_) => (Physical::INT64, None),
            ColumnData::Number(_) => (Physical::DOUBLE, None),
            ColumnData::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnData::Flag(_) => (Physical::BOOLEAN, None),
        };
        Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("sweep").with_fields(columns).build().map(Arc::new)
}

/// The table as the bytes of a Parquet file of one row group: the same bytes for the same table.
pub(crate) fn encode(table: &Table, notes: &Notes) -> Result<Vec<u8>, ParquetError> {
    let mut writer =
        SerializedFileWriter::new(Vec::new(), schema(table)?, Arc::new(properties(notes)?))?;
    let mut group = writer.next_row_group()?;
    for column in &table.columns {
        let Some(mut out) = group.next_column()? else { break };
        match &column.data {
            ColumnData::Integer(cells) => {
                let (levels, values) = apart(cells);
                out.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            ColumnData::Number(cells) => {
                let (levels, values) = apart(cells);
                out.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            ColumnData::Flag(cells) => {
                let (levels, values) = apart(cells);
                out.typed::<BoolType>().write_batch(&values, Some(&levels), None)?;
            }
            ColumnData::Text(cells) => {
                let (levels, values) = apart(cells);
                let values: Vec<ByteArray> =
                    values.iter().map(|text| ByteArray::from(text.as_str())).collect();
                out.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
        }
        out.close()?;
    }
    group.close()?;
    writer.into_inner()
}

/// Which cells have a value, and the values.
fn apart<T: Clone>(cells: &[Option<T>]) -> (Vec<i16>, Vec<T>) {
    let levels = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    (levels, cells.iter().flatten().cloned().collect())
}

/// The decoder asserts in places what a damaged file need not keep.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| error.to_string().chars().take(200).collect()),
        Err(_) => Err("pages that contradict their headers".to_owned()),
    }
}

fn footer_of<R: ChunkReader + 'static>(reader: &SerializedFileReader<R>) -> Footer {
    let metadata = reader.metadata().file_metadata();
    let notes = metadata.key_value_metadata().into_iter().flatten();
    Footer {
        rows: u64::try_from(metadata.num_rows()).unwrap_or(0),
        notes: notes.filter_map(|note| Some((note.key.clone(), note.value.clone()?))).collect(),
    }
}

/// The footer of a file.
pub(crate) fn footer(path: &Path) -> Result<Footer, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    guarded(|| Ok(footer_of(&SerializedFileReader::new(file)?)))
}

/// The rows of a file, of all columns or those named.
pub(crate) fn decode(bytes: Vec<u8>, wanted: Option<&[&str]>) -> Result<(Table, Footer), String> {
    guarded(|| {
        let reader = SerializedFileReader::new(Bytes::from(bytes))?;
        let footer = footer_of(&reader);
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut columns = Vec::new();
        for (position, column) in schema.columns().iter().enumerate() {
            let name = column.name().to_owned();
            if wanted.is_some_and(|wanted| !wanted.contains(&name.as_str())) {
                continue;
            }
            let mut data = match column.physical_type() {
                Physical::INT64 => ColumnData::Integer(Vec::new()),
                Physical::DOUBLE => ColumnData::Number(Vec::new()),
                Physical::BOOLEAN => ColumnData::Flag(Vec::new()),
                Physical::BYTE_ARRAY => ColumnData::Text(Vec::new()),
                other => {
                    return Err(ParquetError::General(format!("column `{name}` holds {other}")));
                }
            };
            for group in 0..reader.num_row_groups() {
                let group = reader.get_row_group(group)?;
                let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
                match (group.get_column_reader(position)?, &mut data) {
                    (ColumnReader::Int64ColumnReader(from), ColumnData::Integer(cells)) => {
                        drain(from, rows, cells, |value| *value)?;
                    }
                    (ColumnReader::DoubleColumnReader(from), ColumnData::Number(cells)) => {
                        drain(from, rows, cells, |value| *value)?;
                    }
                    (ColumnReader::BoolColumnReader(from), ColumnData::Flag(cells)) => {
                        drain(from, rows, cells, |value| *value)?;
                    }
                    (ColumnReader::ByteArrayColumnReader(from), ColumnData::Text(cells)) => {
                        drain(from, rows, cells, |value| {
                            String::from_utf8_lossy(value.data()).into_owned()
                        })?;
                    }
                    _ => return Err(ParquetError::General("a column of another type".to_owned())),
                }
            }
            columns.push(Column { name, data });
        }
        Ok((Table { columns }, footer))
    })
}

fn drain<T: DataType, V>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    cells: &mut Vec<Option<V>>,
    value: impl Fn(&T::T) -> V,
) -> Result<(), ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut done = 0;
    while done < rows {
        values.clear();
        levels.clear();
        let (records, ..) =
            reader.read_records(4096.min(rows - done), Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General("a column ends early".to_owned()));
        }
        done += records;
        let mut present = values.iter();
        for level in &levels {
            cells.push(if *level > 0 { present.next().map(&value) } else { None });
        }
    }
    Ok(())
}

/// Files of one schema, one after the other as row groups of one file. Pages are copied as they are: memory is that of a page.
pub(crate) struct Joiner {
    writer: SerializedFileWriter<File>,
}

impl Joiner {
    /// With the schema of this file, and these notes.
    pub(crate) fn new(first: &Path, out: File, notes: &Notes) -> Result<Self, String> {
        let file = File::open(first).map_err(|error| error.to_string())?;
        guarded(|| {
            let reader = SerializedFileReader::new(file)?;
            let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
            let writer = SerializedFileWriter::new(out, schema, Arc::new(properties(notes)?))?;
            Ok(Self { writer })
        })
    }

    pub(crate) fn append(&mut self, path: &Path) -> Result<(), String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let again = file.try_clone().map_err(|error| error.to_string())?;
        let writer = &mut self.writer;
        guarded(|| {
            let reader = SerializedFileReader::new(file)?;
            for group in reader.metadata().row_groups() {
                let mut out = writer.next_row_group()?;
                for column in group.columns() {
                    let closed = ColumnCloseResult {
                        bytes_written: column.compressed_size().unsigned_abs(),
                        rows_written: group.num_rows().unsigned_abs(),
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: None,
                        offset_index: None,
                    };
                    out.append_column(&again, closed)?;
                }
                out.close()?;
            }
            Ok(())
        })
    }

    /// The finished file.
    pub(crate) fn finish(self) -> Result<File, String> {
        guarded(|| self.writer.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |name: &str, data| Column { name: name.to_owned(), data };
        Table {
            columns: vec![
                column("point", ColumnData::Integer(vec![Some(0), Some(i64::MIN), None])),
                column(
                    "init.bias_variance",
                    ColumnData::Number(vec![Some(f64::INFINITY), None, Some(-0.5)]),
                ),
                column(
                    "text",
                    ColumnData::Text(vec![None, Some("é".to_owned()), Some(String::new())]),
                ),
                column("flag", ColumnData::Flag(vec![Some(true), Some(false), None])),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_and_bytes_are_the_same() {
        let notes = Notes::from([("a".to_owned(), "b".to_owned())]);
        let bytes = encode(&table(), &notes).unwrap();
        assert_eq!(bytes, encode(&table(), &notes).unwrap());
        let (read, footer) = decode(bytes.clone(), None).unwrap();
        assert_eq!((read, footer.rows), (table(), 3));
        assert_eq!(footer.notes.get("a").map(String::as_str), Some("b"));
        let (part, _) = decode(bytes, Some(&["flag"])).unwrap();
        assert_eq!(part.columns.len(), 1);
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let bytes = encode(&table(), &Notes::new()).unwrap();
        for length in [0, 4, bytes.len() / 2, bytes.len() - 1] {
            assert!(decode(bytes[..length].to_vec(), None).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x55;
            // Whatever it says, it says it without a panic.
            let _ = decode(changed, None);
        }
    }

    #[test]
    fn joined_files_hold_all_rows_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        std::fs::write(&path, encode(&table(), &Notes::new()).unwrap()).unwrap();
        let out = folder.path().join("out.parquet");
        let mut joiner = Joiner::new(&path, File::create(&out).unwrap(), &Notes::new()).unwrap();
        joiner.append(&path).unwrap();
        joiner.append(&path).unwrap();
        joiner.finish().unwrap();
        let (read, footer) = decode(std::fs::read(&out).unwrap(), None).unwrap();
        assert_eq!(footer.rows, 6);
        let ColumnData::Integer(points) = &read.columns[0].data else { panic!("not whole") };
        assert_eq!(points[3..5], [Some(0), Some(i64::MIN)]);
    }
}
