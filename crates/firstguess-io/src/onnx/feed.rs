//! What a model is fed: an array for each of its inputs, side by side in one row of numbers per example.

use std::collections::HashMap;

use firstguess::math::stream::{Purpose, Seed, Stream};
use firstguess::spec::{Dataset, Shape, ShapeError};

use super::error::OnnxError;
use super::graph::{Element, Graph, Input};
use super::tensor::{Array, MAX_ELEMENTS, array};
use crate::npz::{LABEL_NAMES, NamedArray};
use crate::parts::{Labels, assemble, check_count};

/// Tokens of a sequence whose length the file leaves open, where no inputs are given.
const TOKENS: usize = 16;

/// Largest whole number that a row of f32 holds exactly.
const MAX_WHOLE: f32 = 16_777_216.0;

/// The inputs of a graph, in its order, each with a place in the row of an example.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    slots: Vec<Slot>,
}

#[derive(Debug, Clone)]
struct Slot {
    value: usize,
    name: String,
    element: Element,
    /// Shape of one example.
    extents: Vec<usize>,
    stand_in: StandIn,
}

/// What takes the place of an input that is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StandIn {
    Normal,
    /// Whole numbers below this one, all as likely.
    Below(usize),
    Ones,
}

impl Slot {
    fn new(graph: &Graph, input: &Input, extents: Vec<usize>) -> Self {
        let name = graph.names[input.value].clone();
        let mask = name.to_ascii_lowercase().contains("mask");
        let stand_in = match (input.element, vocabulary(graph, input.value)) {
            (Element::Float, _) if !mask => StandIn::Normal,
            (Element::Int, Some(below)) => StandIn::Below(below),
            _ => StandIn::Ones,
        };
        Self { value: input.value, name, element: input.element, extents, stand_in }
    }

    fn len(&self) -> usize {
        self.extents.iter().product()
    }

    /// Values in the place of `rows` examples; the `position`-th input has a stream of its own.
    fn make_up(&self, position: u32, rows: usize, seed: Seed) -> Vec<f32> {
        let mut values = vec![1.0; rows * self.len()];
        let stream = Stream::new(seed, 0, position, Purpose::Data);
        match self.stand_in {
            StandIn::Normal => stream.fill_normal_f32(0, &mut values),
            StandIn::Below(below) => {
                stream.fill_uniform_f32(0, &mut values);
                let last = below.saturating_sub(1) as f32;
                for x in &mut values {
                    *x = (*x * below as f32).floor().min(last);
                }
            }
            StandIn::Ones => {}
        }
        values
    }

    /// The values as the graph takes them.
    fn array(&self, rows: usize, values: Vec<f32>) -> Result<Array, String> {
        let shape = [&[rows], &self.extents[..]].concat();
        match self.element {
            Element::Float => array(&shape, values).map(Array::Float),
            #[expect(clippy::cast_possible_truncation, reason = "whole numbers, checked")]
            Element::Int => {
                array(&shape, values.into_iter().map(|x| x as i64).collect()).map(Array::Int)
            }
            Element::Bool => {
                array(&shape, values.into_iter().map(|x| x != 0.0).collect()).map(Array::Bool)
            }
        }
    }

    fn stand_in_in_words(&self) -> String {
        let name = &self.name;
        match self.stand_in {
            StandIn::Normal => format!("`{name}` is standard normal"),
            StandIn::Below(below) => {
                format!("`{name}` holds whole numbers below {below}, all as likely")
            }
            StandIn::Ones => format!("`{name}` is all ones"),
        }
    }
}

impl Feed {
    /// The one input of a model, with examples of this shape.
    pub(super) fn single(graph: &Graph, extents: &[usize]) -> Self {
        let slots = graph.inputs.iter().take(1);
        Self { slots: slots.map(|input| Slot::new(graph, input, extents.to_vec())).collect() }
    }

    /// Inputs of the shapes that the file declares. Open extents of tokens are 16; those of one name are equal.
    pub(super) fn made_up(graph: &Graph) -> Result<Self, OnnxError> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for input in graph.inputs.iter().filter(|input| input.element == Element::Int) {
            for symbol in input.symbols.iter().skip(1).flatten() {
                known.insert(symbol, TOKENS);
            }
        }
        let slots = graph.inputs.iter().map(|input| {
            let open = input.shape.iter().zip(&input.symbols).skip(1).map(|(extent, symbol)| {
                let tokens = (input.element == Element::Int).then_some(TOKENS);
                extent.or_else(|| known.get(symbol.as_deref()?).copied()).or(tokens)
            });
            let extents = open.collect::<Option<Vec<usize>>>().ok_or_else(|| {
                OnnxError::malformed(
                    format!("takes inputs {}, whose size is open", graph.describe(input)),
                    "a fixed size; give inputs with --data, whose shape decides, or export with an example of the real size",
                )
            })?;
            Ok(Slot::new(graph, input, extents))
        });
        let feed = Self { slots: slots.collect::<Result<_, OnnxError>>()? };
        feed.checked(graph)
    }

    /// The inputs of these arrays, found by name, and their values with the labels where there are any.
    pub(super) fn of_arrays(
        graph: &Graph,
        source: &str,
        arrays: &[NamedArray],
    ) -> Result<(Self, Dataset), OnnxError> {
        let mut slots = Vec::new();
        let mut found: Vec<&NamedArray> = Vec::new();
        for input in &graph.inputs {
            let name = &graph.names[input.value];
            let array = arrays.iter().find(|array| array.name == *name);
            let array = array.ok_or_else(|| missing(graph, name, arrays))?;
            let fits = array.shape.len() == input.shape.len()
                && array
                    .shape
                    .iter()
                    .zip(&input.shape)
                    .skip(1)
                    .all(|(n, wanted)| wanted.is_none_or(|w| w == *n));
            if !fits || array.shape.is_empty() {
                return Err(OnnxError::malformed(
                    format!(
                        "takes {}, the data have {:?} there",
                        graph.describe(input),
                        array.shape
                    ),
                    "arrays [examples, ...] of the shapes that the model takes",
                ));
            }
            found.push(array);
            slots.push(Slot::new(graph, input, array.shape[1..].to_vec()));
        }
        let feed = Self { slots }.checked(graph)?;
        let data = feed.packed(source, &found, arrays)?;
        feed.check_whole(&data)?;
        Ok((feed, data))
    }

    /// The arrays side by side.
    fn packed(
        &self,
        source: &str,
        found: &[&NamedArray],
        arrays: &[NamedArray],
    ) -> Result<Dataset, OnnxError> {
        let rows = found.first().map_or(0, |array| array.shape[0]);
        if let Some(other) = found.iter().find(|array| array.shape[0] != rows) {
            return Err(OnnxError::malformed(
                format!(
                    "gets {rows} examples of `{}` and {} of `{}`",
                    found[0].name, other.shape[0], other.name
                ),
                "as many examples of every input",
            ));
        }
        let mut values = Vec::with_capacity(rows * self.features());
        for row in 0..rows {
            for (slot, array) in self.slots.iter().zip(found) {
                let part = array.values.iter().skip(row * slot.len()).take(slot.len());
                values.extend(part.map(|x| crate::npy::to_f32(*x)));
            }
        }
        let labels = LABEL_NAMES
            .iter()
            .filter(|name| self.slots.iter().all(|slot| slot.name != **name))
            .find_map(|name| arrays.iter().find(|array| array.name == *name));
        let data = labels
            .map(|labels| {
                let labels = Labels::from_numbers(labels.values.iter().copied())?;
                check_count(&labels, rows)?;
                Ok(labels)
            })
            .transpose()
            .and_then(|labels| assemble(source, self.shape_of_row()?, values, labels));
        data.map_err(|problem: crate::error::Problem| OnnxError::Data(problem.in_file(source)))
    }

    /// Refuses what no batch can be made of.
    fn checked(self, graph: &Graph) -> Result<Self, OnnxError> {
        Self::fixed_batch(graph)?;
        if let Some(input) = graph.inputs.iter().find(|input| input.shape.is_empty()) {
            return Err(OnnxError::malformed(
                format!("takes a single number, {}", graph.describe(input)),
                "inputs whose first axis counts the examples",
            ));
        }
        let most = MAX_ELEMENTS;
        let total = self.slots.iter().try_fold(0_usize, |sum, slot| {
            let len = slot.extents.iter().try_fold(1_usize, |n, extent| n.checked_mul(*extent))?;
            sum.checked_add(len).filter(|sum| *sum <= most)
        });
        total.map(|_| ()).ok_or_else(|| {
            OnnxError::malformed("takes inputs that are too large", format!("{most} numbers each"))
        })?;
        Ok(self)
    }

    /// Refuses numbers that are not whole where the model takes whole ones.
    pub(super) fn check_whole(&self, data: &Dataset) -> Result<(), OnnxError> {
        for row in data.inputs().chunks(self.features().max(1)) {
            let mut at = 0;
            for slot in &self.slots {
                let part = row.iter().skip(at).take(slot.len());
                at += slot.len();
                let odd = |x: &&f32| x.fract() != 0.0 || x.abs() >= MAX_WHOLE;
                if let Some(x) = part.filter(|_| slot.element == Element::Int).find(odd) {
                    return Err(OnnxError::malformed(
                        format!(
                            "takes whole numbers at its input `{}`, the data have {x}",
                            slot.name
                        ),
                        "whole numbers below 2^24, as of tokens",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Examples at once, where the file fixes their number.
    pub(super) fn fixed_batch(graph: &Graph) -> Result<Option<usize>, OnnxError> {
        let mut fixed = graph.inputs.iter().filter_map(|input| input.shape.first().copied()?);
        let Some(first) = fixed.next() else { return Ok(None) };
        fixed.find(|batch| *batch != first).map_or(Ok(Some(first)), |other| {
            Err(OnnxError::malformed(
                format!("takes {first} examples of one input and {other} of another"),
                "inputs whose first axis counts the examples",
            ))
        })
    }

    /// Refuses batches of more numbers than a tensor may have: the file may claim any number of examples at once.
    pub(super) fn check_rows(&self, rows: usize) -> Result<(), OnnxError> {
        let numbers = rows.checked_mul(self.features()).filter(|n| *n <= MAX_ELEMENTS);
        numbers.map(|_| ()).ok_or_else(|| {
            OnnxError::malformed(
                format!("takes {rows} examples at once, of {} numbers each", self.features()),
                format!("at most {MAX_ELEMENTS} numbers at once"),
            )
        })
    }

    /// Numbers of one example.
    pub(super) fn features(&self) -> usize {
        self.slots.iter().map(Slot::len).sum()
    }

    /// The shape of one example: an image, or all numbers in a row.
    pub(super) fn shape_of_row(&self) -> Result<Shape, ShapeError> {
        match (&self.slots[..], self.extents()) {
            ([_], &[channels, height, width]) => Shape::image(channels, height, width),
            _ => Shape::flat(self.features()),
        }
    }

    /// The shape as declared in messages.
    pub(super) fn extents(&self) -> &[usize] {
        self.slots.first().map_or(&[], |slot| &slot.extents)
    }

    /// Rows of stand-ins.
    pub(super) fn make_up(&self, rows: usize, seed: Seed) -> Vec<f32> {
        let parts: Vec<Vec<f32>> =
            (0..).zip(&self.slots).map(|(at, slot)| slot.make_up(at, rows, seed)).collect();
        if let [only] = &parts[..] {
            return only.clone();
        }
        let of_row = |row: usize| {
            self.slots.iter().zip(&parts).flat_map(move |(slot, values)| {
                values.iter().skip(row * slot.len()).take(slot.len()).copied()
            })
        };
        (0..rows).flat_map(of_row).collect()
    }

    /// The arrays of so many rows, by the number of their value.
    pub(super) fn arrays(
        &self,
        rows: usize,
        values: &[f32],
    ) -> Result<Vec<(usize, Array)>, OnnxError> {
        let features = self.features().max(1);
        let mut start = 0;
        let arrays = self.slots.iter().map(|slot| {
            let len = slot.len();
            let own: Vec<f32> = if len == features {
                values.to_vec()
            } else {
                let rows = values.chunks(features);
                rows.flat_map(|row| row.iter().skip(start).take(len).copied()).collect()
            };
            start += len;
            let array = slot.array(rows, own);
            array
                .map(|array| (slot.value, array))
                .map_err(|problem| OnnxError::malformed(problem, "inputs that fill their shape"))
        });
        arrays.collect()
    }

    /// The made-up inputs as a data set is called.
    pub(super) fn name_of_stand_ins(&self) -> &'static str {
        match &self.slots[..] {
            [Slot { stand_in: StandIn::Normal, .. }] => "the standard normal law",
            [Slot { stand_in: StandIn::Below(_), .. }] => "whole numbers at random",
            _ => "made-up inputs",
        }
    }

    /// What stands in for the inputs, in words.
    pub(super) fn stand_ins(&self) -> String {
        if let [Slot { stand_in: StandIn::Normal, .. }] = self.slots[..] {
            return "the inputs are standard normal".to_owned();
        }
        let parts: Vec<String> = self.slots.iter().map(Slot::stand_in_in_words).collect();
        parts.join(", ")
    }
}

fn missing(graph: &Graph, name: &str, arrays: &[NamedArray]) -> OnnxError {
    let wanted: Vec<String> = graph.inputs.iter().map(|input| graph.describe(input)).collect();
    let found: Vec<String> =
        arrays.iter().take(10).map(|array| format!("`{}`", array.name)).collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    let names = graph.inputs.iter().map(|input| graph.names[input.value].as_str());
    let call: Vec<String> = names.map(|name| format!("{name}=...")).collect();
    OnnxError::malformed(
        format!(
            "takes {}; the data have no array `{name}` (they have {found})",
            wanted.join(" and ")
        ),
        format!(
            "an array of each name, as in numpy.savez(\"inputs.npz\", {}, y=labels)",
            call.join(", ")
        ),
    )
}

/// Operators that hand whole numbers on as they are.
const HANDS_ON: &[&str] = &[
    "Identity",
    "Cast",
    "CastLike",
    "Reshape",
    "Unsqueeze",
    "Squeeze",
    "Flatten",
    "Expand",
    "Transpose",
];

/// Rows of the smallest table in which an input is looked up.
fn vocabulary(graph: &Graph, input: usize) -> Option<usize> {
    let mut same = vec![false; graph.names.len()];
    same[input] = true;
    let mut smallest: Option<usize> = None;
    for node in &graph.nodes {
        let place = |position: usize| node.inputs.get(position).copied().flatten();
        let carries = |position: usize, same: &[bool]| place(position).is_some_and(|at| same[at]);
        if HANDS_ON.contains(&node.kind.as_str()) && carries(0, &same) {
            for value in node.outputs.iter().flatten() {
                same[*value] = true;
            }
        }
        let table = place(0).and_then(|value| graph.constants.get(&value));
        let Some(table) = table.filter(|_| node.kind == "Gather" && carries(1, &same)) else {
            continue;
        };
        let along = node.int("axis").unwrap_or(0);
        let along = super::evaluate::axis(along, table.shape().len()).ok();
        let rows = along.and_then(|along| table.shape().get(along).copied());
        smallest = smallest.into_iter().chain(rows).min();
    }
    smallest
}
