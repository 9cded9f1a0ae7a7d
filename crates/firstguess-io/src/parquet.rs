//! Parquet: a flat table of numbers, as pandas, polars and pyarrow write it.
//!
//! The crate `parquet` without arrow reads it: a quarter of the build time, and columns of numbers are all that is needed.

use crate::error::Problem;

/// What every Parquet file begins and ends with.
pub(crate) const MAGIC: &[u8] = b"PAR1";

#[cfg(not(feature = "parquet"))]
mod absent {
    use firstguess::spec::Dataset;

    use super::Problem;
    use crate::load::ReadOptions;

    fn without() -> Problem {
        Problem::new("a Parquet file, which this build cannot read", "npz, npy or csv")
            .hint("build firstguess-io with its feature `parquet`")
    }

    pub(crate) fn dataset(_: &str, _: &[u8], _: &ReadOptions) -> Result<Dataset, Problem> {
        Err(without())
    }

    pub(crate) fn numbers(_: &[u8], _: &ReadOptions) -> Result<(usize, Vec<f64>), Problem> {
        Err(without())
    }
}
#[cfg(not(feature = "parquet"))]
pub(crate) use absent::{dataset, numbers};

#[cfg(feature = "parquet")]
mod present {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use ::parquet::basic::{ConvertedType, Type};
    use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
    use ::parquet::data_type::DataType;
    use ::parquet::errors::ParquetError;
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::schema::types::ColumnDescriptor;
    use bytes::Bytes;
    use firstguess::spec::{Dataset, Shape};

    use super::Problem;
    use crate::csv::LabelColumn;
    use crate::load::ReadOptions;
    use crate::parts::{Labels, assemble, plan};

    /// Rows decoded at a time.
    const BATCH: usize = 4096;

    /// Names that mark the label column, the surest first.
    const LABEL_NAMES: [&str; 4] = ["label", "class", "target", "y"];

    /// Reads a table into a data set of flat examples.
    pub(crate) fn dataset(
        name: &str,
        bytes: &[u8],
        options: &ReadOptions,
    ) -> Result<Dataset, Problem> {
        guarded(|| {
            let table = Table::open(bytes)?;
            let label = table.label_column(&options.label_column)?;
            let features: Vec<usize> =
                (0..table.names.len()).filter(|c| Some(*c) != label).collect();
            let shape = Shape::flat(features.len())?;
            let kept = plan(table.rows, features.len(), options)?;
            table.confirm(kept)?;
            let mut inputs = vec![0.0_f32; kept * features.len()];
            for (place, &column) in features.iter().enumerate() {
                table.read(column, kept, |row, value| {
                    if let Some(slot) = inputs.get_mut(row * features.len() + place) {
                        *slot = to_f32(value);
                    }
                })?;
            }
            let labels = label.map(|column| {
                let mut values = Vec::new();
                table.read(column, table.rows, |_, value| values.push(value))?;
                Labels::from_numbers(values.into_iter())
                    .map_err(|problem| problem.within(&format!("column `{}`", table.names[column])))
            });
            assemble(name, shape, inputs, labels.transpose()?)
        })
    }

    /// Every column as numbers, row by row.
    pub(crate) fn numbers(
        bytes: &[u8],
        options: &ReadOptions,
    ) -> Result<(usize, Vec<f64>), Problem> {
        guarded(|| {
            let table = Table::open(bytes)?;
            let columns = table.names.len();
            // Twice the room of f32.
            plan(table.rows, 2 * columns, options)?;
            table.confirm(table.rows)?;
            let mut values = vec![0.0; table.rows * columns];
            for column in 0..columns {
                table.read(column, table.rows, |row, value| {
                    if let Some(slot) = values.get_mut(row * columns + column) {
                        *slot = value;
                    }
                })?;
            }
            Ok((columns, values))
        })
    }

    /// The decoder asserts in places what a forged file need not keep: its panic becomes an error like any other.
    fn guarded<T>(read: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
        catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Err(damaged("pages that contradict their headers")))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "networks compute in f32; infinities are refused later"
    )]
    fn to_f32(x: f64) -> f32 {
        x as f32
    }

    fn damaged(what: &str) -> Problem {
        Problem::new(format!("a damaged Parquet file ({what})"), "a flat table of numbers")
            .hint("write it again: in Python, frame.to_parquet(path)")
    }

    fn of_library(error: &ParquetError) -> Problem {
        let text = error.to_string();
        let short: String = text.chars().take(200).collect();
        damaged(&short)
    }

    /// An open file whose schema is a flat table of numbers.
    struct Table {
        reader: SerializedFileReader<Bytes>,
        names: Vec<String>,
        rows: usize,
    }

    impl Table {
        fn open(bytes: &[u8]) -> Result<Self, Problem> {
            let reader = SerializedFileReader::new(Bytes::copy_from_slice(bytes))
                .map_err(|error| of_library(&error))?;
            let metadata = reader.metadata();
            let schema = metadata.file_metadata().schema_descr();
            let mut names = Vec::new();
            for column in schema.columns() {
                check_column(column)?;
                names.push(column.path().string());
            }
            let mut rows = 0_usize;
            for group in metadata.row_groups() {
                if group.num_columns() != names.len() {
                    return Err(damaged("a row group without some column"));
                }
                let count = usize::try_from(group.num_rows()).ok();
                rows = count
                    .and_then(|count| rows.checked_add(count))
                    .ok_or_else(|| damaged("an impossible number of rows"))?;
            }
            if names.is_empty() {
                return Err(Problem::new("a table without columns", "one column per feature"));
            }
            Ok(Self { reader, names, rows })
        }

        fn label_column(&self, wanted: &LabelColumn) -> Result<Option<usize>, Problem> {
            let position =
                |label: &str| self.names.iter().position(|n| n.eq_ignore_ascii_case(label));
            let label = match wanted {
                LabelColumn::None => None,
                LabelColumn::Last => Some(self.names.len() - 1),
                LabelColumn::ByName => LABEL_NAMES.iter().find_map(|label| position(label)),
                LabelColumn::Named(name) => {
                    let found = self.names.iter().position(|n| n == name);
                    Some(found.ok_or_else(|| {
                        let known: Vec<&str> =
                            self.names.iter().take(10).map(String::as_str).collect();
                        Problem::new(format!("no column is called `{name}`"), known.join(", "))
                    })?)
                }
            };
            if self.names.len() == usize::from(label.is_some()) {
                return Err(Problem::new(
                    "a table with a label column only",
                    "at least one feature column",
                ));
            }
            Ok(label)
        }

        /// Whether the rows that the header claims are there, before memory is taken for them.
        fn confirm(&self, rows: usize) -> Result<(), Problem> {
            self.read(0, rows, |_, _| ())
        }

        /// The first `wanted` numbers of a column, each with its row.
        fn read(
            &self,
            column: usize,
            wanted: usize,
            mut each: impl FnMut(usize, f64),
        ) -> Result<(), Problem> {
            let mut row = 0;
            let mut faulty = None;
            for group in 0..self.reader.num_row_groups() {
                if row >= wanted {
                    break;
                }
                let group = self.reader.get_row_group(group).map_err(|e| of_library(&e))?;
                let unsigned = is_unsigned(&group.metadata().schema_descr().column(column));
                let reader = group.get_column_reader(column).map_err(|e| of_library(&e))?;
                let limit = wanted - row;
                let mut take = |value: Option<f64>| {
                    match value {
                        Some(value) if value.is_finite() => each(row, value),
                        _ => faulty = faulty.or(Some((row, value))),
                    }
                    row += 1;
                };
                match reader {
                    ColumnReader::BoolColumnReader(r) => {
                        drain(r, limit, &mut take, |x| f64::from(u8::from(*x)))
                    }
                    ColumnReader::Int32ColumnReader(r) if unsigned => {
                        drain(r, limit, &mut take, |x| f64::from(x.cast_unsigned()))
                    }
                    ColumnReader::Int32ColumnReader(r) => {
                        drain(r, limit, &mut take, |x| f64::from(*x))
                    }
                    ColumnReader::Int64ColumnReader(r) if unsigned => {
                        drain(r, limit, &mut take, |x| x.cast_unsigned() as f64)
                    }
                    ColumnReader::Int64ColumnReader(r) => drain(r, limit, &mut take, |x| *x as f64),
                    ColumnReader::FloatColumnReader(r) => {
                        drain(r, limit, &mut take, |x| f64::from(*x))
                    }
                    ColumnReader::DoubleColumnReader(r) => drain(r, limit, &mut take, |x| *x),
                    _ => return Err(damaged("a column that is not of its type")),
                }
                .map_err(|error| of_library(&error))?;
            }
            let name = &self.names[column];
            match faulty {
                Some((row, None)) => Err(Problem::new(
                    format!("row {row} of column `{name}` is empty (null)"),
                    "a number in every cell",
                )
                .hint("drop the rows with missing values, or fill them in")),
                Some((row, Some(value))) => Err(Problem::new(
                    format!("row {row} of column `{name}` is {value}"),
                    "finite numbers",
                )),
                None if row < wanted => {
                    Err(damaged(&format!("column `{name}` ends after {row} of {wanted} rows")))
                }
                None => Ok(()),
            }
        }
    }

    /// Hands over the values of one column of one row group, `None` for a null.
    fn drain<T: DataType>(
        mut reader: ColumnReaderImpl<T>,
        limit: usize,
        take: &mut impl FnMut(Option<f64>),
        number: impl Fn(&T::T) -> f64,
    ) -> Result<(), ParquetError> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let mut done = 0;
        while done < limit {
            values.clear();
            levels.clear();
            let batch = BATCH.min(limit - done);
            let (records, ..) = reader.read_records(batch, Some(&mut levels), None, &mut values)?;
            if records == 0 {
                break;
            }
            done += records;
            let mut present = values.iter();
            if levels.is_empty() {
                present.for_each(|value| take(Some(number(value))));
            } else {
                // One level at most: the schema was checked to be flat.
                for level in &levels {
                    take(if *level > 0 { present.next().map(&number) } else { None });
                }
            }
        }
        Ok(())
    }

    fn is_unsigned(column: &ColumnDescriptor) -> bool {
        matches!(column.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64)
    }

    /// Refuses what is not one number per row.
    fn check_column(column: &ColumnDescriptor) -> Result<(), Problem> {
        let name = column.path().string();
        let allowed = "columns of numbers: bool, integers, float, double";
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(Problem::new(format!("column `{name}` is nested"), allowed)
                .hint("one column per feature, or save arrays with numpy.savez"));
        }
        let plain = matches!(
            column.converted_type(),
            ConvertedType::NONE
                | ConvertedType::INT_8
                | ConvertedType::INT_16
                | ConvertedType::INT_32
                | ConvertedType::INT_64
                | ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        );
        match column.physical_type() {
            Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE if plain => {
                Ok(())
            }
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => {
                Err(Problem::new(format!("column `{name}` holds text or bytes"), allowed)
                    .hint("drop the column, or turn its values into numbers"))
            }
            _ => Err(Problem::new(
                format!("column `{name}` holds dates, decimals or another special type"),
                allowed,
            )),
        }
    }
}
#[cfg(feature = "parquet")]
pub(crate) use present::{dataset, numbers};
