//! The ordered stage: batches in the order of their chunks, so that line numbers, row groups and parts are functions of
//! the bytes alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use lakehand_dataset::transformer::{PartSink, TransformError, TransformInput, TransformedPart};
use lakehand_domain::reject::RejectCounts;
use polars_arrow::array::Array;

use super::lane::{EncodeTask, Group, Lane, Step};
use super::quarantine::Quarantine;
use crate::derive::{Batch, Rows};
use crate::encode::{ColumnData, PartSchema};
use crate::gather::value_bytes;
use crate::partition::Partitions;
use crate::unique::SeenValues;

/// A row group is closed at this many bytes of values, however few rows they are.
const GROUP_BYTES: usize = 64 << 20;
/// Open row groups of all partitions hold at most this many bytes together.
const OPEN_BYTES: usize = 96 << 20;
/// What an array takes in memory beside its values.
const ARRAY_BYTES: usize = 256;
/// At most this many partitions have an open part.
const OPEN_PARTS: usize = 64;

/// The state of the stage.
#[derive(Debug)]
pub(crate) struct Ordered {
    tables: Vec<TableState>,
    load_id: Arc<str>,
    object: Arc<str>,
    order: Arc<str>,
    row_group_rows: usize,
    part_bytes: u64,
    lanes: Vec<Gathering>,
    by_place: HashMap<(usize, Vec<String>), usize>,
    /// Lanes of tables that have partitions.
    partitions: u64,
    open_bytes: usize,
    /// The lanes that have an open row group, by the memory it takes; of two that take the same the first is last.
    by_held: BTreeSet<(usize, Reverse<usize>)>,
    /// The lanes that have an open part, by when a row group was last added to it.
    open_parts: BTreeMap<u64, usize>,
    /// Row groups closed so far.
    closed: u64,
    /// Parts begun in lanes that had none open.
    begun: u64,
    lines: u64,
    member_lines: u64,
    records: u64,
    rejects: RejectCounts,
    unique: SeenValues,
    quarantine: Quarantine,
}

#[derive(Debug)]
struct TableState {
    name: String,
    schema: Arc<PartSchema>,
    exploded: bool,
    has_where: bool,
    partitions: Partitions,
    rows: u64,
}

/// A lane and its open row group.
#[derive(Debug)]
struct Gathering {
    lane: Arc<Lane>,
    sequence: u64,
    /// Where it stands among the open parts, if it has one.
    open: Option<u64>,
    rows: usize,
    /// Of values.
    bytes: usize,
    /// Bytes that the open row group takes in memory.
    held: usize,
    columns: Vec<Vec<Box<dyn Array>>>,
    record: Vec<i64>,
    element: Vec<i32>,
}

/// What the stage has counted and written at the end.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Records read.
    pub(crate) records: u64,
    /// Rejects by rule and column.
    pub(crate) rejects: RejectCounts,
    /// Rows and parts of each table.
    pub(crate) tables: Vec<(u64, Vec<TransformedPart>)>,
    /// The quarantine part.
    pub(crate) quarantine: Option<TransformedPart>,
}

impl Ordered {
    /// For one object.
    pub(crate) fn new(input: &TransformInput, schemas: &[Arc<PartSchema>]) -> Self {
        let dataset = &input.dataset;
        let tables = dataset.tables.iter().zip(schemas).map(|(table, schema)| TableState {
            name: table.shape.name.clone(),
            schema: Arc::clone(schema),
            exploded: table.shape.exploded,
            has_where: table.shape.has_where,
            partitions: Partitions::of(table, dataset.quality.max_partitions()),
            rows: 0,
        });
        Self {
            tables: tables.collect(),
            load_id: input.load_id.as_str().into(),
            object: input.object.as_str().into(),
            order: input.order.as_str().into(),
            row_group_rows: usize::try_from(dataset.encoding.row_group_rows).unwrap_or(usize::MAX).max(1),
            part_bytes: dataset.encoding.part_bytes,
            lanes: Vec::new(),
            by_place: HashMap::new(),
            partitions: 0,
            open_bytes: 0,
            by_held: BTreeSet::new(),
            open_parts: BTreeMap::new(),
            closed: 0,
            begun: 0,
            lines: 0,
            member_lines: 0,
            records: 0,
            rejects: RejectCounts::default(),
            unique: SeenValues::new(dataset),
            quarantine: Quarantine::new(format!("_quarantine/{}.jsonl.zst", input.load_id)),
        }
    }

    /// Takes the next batch. Tasks are pushed for every row group that it closes.
    pub(crate) fn absorb(
        &mut self,
        mut batch: Batch,
        sink: &dyn PartSink,
        tasks: &mut Vec<EncodeTask>,
    ) -> Result<(), TransformError> {
        if !batch.unique.is_empty() {
            self.unique.judge(&mut batch)?;
        }
        if batch.begins_member {
            self.member_lines = 0;
        }
        for mut reject in batch.rejects {
            let relative = usize::try_from(reject.line).unwrap_or(0).saturating_sub(1);
            reject.line = match &batch.places {
                Some(places) => places.get(relative).copied().unwrap_or(0),
                None => reject.line + self.member_lines,
            };
            reject.record += self.lines;
            self.object.as_ref().clone_into(&mut reject.object);
            reject.member = batch.member.as_deref().map(str::to_owned);
            self.rejects.add(reject.rule, reject.column.as_deref());
            self.quarantine.push(&reject, sink)?;
        }
        for (table, places) in batch.tables.into_iter().enumerate() {
            for rows in places {
                self.append(table, rows, sink, tasks)?;
            }
        }
        self.records += batch.records;
        self.lines += batch.lines;
        self.member_lines += batch.lines;
        Ok(())
    }

    /// Closes all row groups that are open.
    pub(crate) fn flush(&mut self, sink: &dyn PartSink, tasks: &mut Vec<EncodeTask>) -> Result<(), TransformError> {
        (0..self.lanes.len()).try_for_each(|at| self.close_group(at, sink, tasks))
    }

    /// Closes the parts, once all tasks have run.
    pub(crate) fn finish(self) -> Result<Outcome, TransformError> {
        let mut tables: Vec<(u64, Vec<TransformedPart>)> =
            self.tables.iter().map(|table| (table.rows, Vec::new())).collect();
        for gathering in self.lanes {
            tables[gathering.lane.table].1.extend(gathering.lane.finish()?);
        }
        for (_, parts) in &mut tables {
            parts.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let quarantine = self.quarantine.finish()?;
        Ok(Outcome { records: self.records, rejects: self.rejects, tables, quarantine })
    }

    fn append(
        &mut self,
        table: usize,
        rows: Rows,
        sink: &dyn PartSink,
        tasks: &mut Vec<EncodeTask>,
    ) -> Result<(), TransformError> {
        let at = self.lane(table, rows.partition)?;
        self.tables[table].rows += rows.record.len() as u64;
        let gathering = &mut self.lanes[at];
        self.by_held.remove(&(gathering.held, Reverse(at)));
        gathering.rows += rows.record.len();
        let before = i64::try_from(self.lines).unwrap_or(i64::MAX);
        gathering.record.extend(rows.record.iter().map(|line| before + i64::from(*line)));
        gathering.element.extend(rows.element);
        gathering.columns.resize_with(rows.columns.len(), Vec::new);
        for (arrays, array) in gathering.columns.iter_mut().zip(rows.columns) {
            let bytes = value_bytes(array.as_ref());
            gathering.bytes += bytes;
            gathering.held += bytes + ARRAY_BYTES;
            self.open_bytes += bytes + ARRAY_BYTES;
            arrays.push(array);
        }
        self.by_held.insert((gathering.held, Reverse(at)));
        if gathering.rows >= self.row_group_rows || gathering.bytes >= GROUP_BYTES {
            self.close_group(at, sink, tasks)?;
        }
        while self.open_bytes > OPEN_BYTES
            && let Some(&(_, Reverse(largest))) = self.by_held.last()
        {
            self.close_group(largest, sink, tasks)?;
        }
        Ok(())
    }

    fn lane(&mut self, table: usize, partition: Vec<String>) -> Result<usize, TransformError> {
        let place = (table, partition);
        if let Some(at) = self.by_place.get(&place) {
            return Ok(*at);
        }
        let state = &self.tables[table];
        if !state.partitions.is_none() {
            self.partitions += 1;
            if self.partitions > state.partitions.most() {
                return Err(state.partitions.too_many());
            }
        }
        let mut prefix = format!("{}/", state.name);
        for step in &place.1 {
            prefix.push_str(step);
            prefix.push('/');
        }
        prefix.push_str(&self.load_id);
        let lane = Lane::new(table, place.1.clone(), prefix, Arc::clone(&state.schema), self.part_bytes);
        self.lanes.push(Gathering {
            lane: Arc::new(lane),
            sequence: 0,
            open: None,
            rows: 0,
            bytes: 0,
            held: 0,
            columns: Vec::new(),
            record: Vec::new(),
            element: Vec::new(),
        });
        self.by_place.insert(place, self.lanes.len() - 1);
        Ok(self.lanes.len() - 1)
    }

    /// Notes that a row group is added to the lane's part, and closes the part to which none was added for longest, where
    /// too many are open.
    fn open_part(&mut self, at: usize, sink: &dyn PartSink) -> Result<(), TransformError> {
        self.closed += 1;
        if let Some(before) = self.lanes[at].open.replace(self.closed) {
            self.open_parts.remove(&before);
        } else {
            self.begun += 1;
        }
        self.open_parts.insert(self.closed, at);
        let partitions = &self.tables[self.lanes[at].lane.table].partitions;
        if !partitions.is_none() && self.begun > partitions.most_parts() {
            return Err(partitions.too_many_parts(partitions.most_parts()));
        }
        if self.open_parts.len() > OPEN_PARTS
            && let Some((_, oldest)) = self.open_parts.pop_first()
        {
            let gathering = &mut self.lanes[oldest];
            gathering.open = None;
            gathering.sequence += 1;
            return gathering.lane.deliver(gathering.sequence - 1, Step::Close, sink);
        }
        Ok(())
    }

    fn close_group(
        &mut self,
        at: usize,
        sink: &dyn PartSink,
        tasks: &mut Vec<EncodeTask>,
    ) -> Result<(), TransformError> {
        let gathering = &mut self.lanes[at];
        if gathering.rows == 0 {
            return Ok(());
        }
        let state = &self.tables[gathering.lane.table];
        let mut columns: Vec<ColumnData> =
            std::mem::take(&mut gathering.columns).into_iter().map(ColumnData::Arrays).collect();
        debug_assert_eq!(columns.len() + 4 + usize::from(state.exploded), state.schema.arrow.len());
        debug_assert!(!state.has_where || !columns.is_empty());
        columns.push(ColumnData::Constant(Arc::clone(&self.load_id)));
        columns.push(ColumnData::Constant(Arc::clone(&self.object)));
        columns.push(ColumnData::Longs(std::mem::take(&mut gathering.record)));
        if state.exploded {
            columns.push(ColumnData::Integers(std::mem::take(&mut gathering.element)));
        }
        columns.push(ColumnData::Constant(Arc::clone(&self.order)));
        tasks.extend(Group::tasks(Arc::clone(&gathering.lane), gathering.sequence, gathering.rows, columns));
        gathering.sequence += 1;
        self.by_held.remove(&(gathering.held, Reverse(at)));
        self.open_bytes -= gathering.held;
        gathering.rows = 0;
        gathering.bytes = 0;
        gathering.held = 0;
        self.open_part(at, sink)
    }
}
