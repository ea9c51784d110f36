//! The ordered stage: batches in the order of their chunks, so that line numbers, row groups and parts are functions of
//! the bytes alone.

use std::collections::HashMap;
use std::sync::Arc;

use lakehand_dataset::transformer::{PartSink, TransformError, TransformInput, TransformedPart};
use lakehand_domain::reject::RejectCounts;
use polars_arrow::array::Array;

use super::lane::{EncodeTask, Group, Lane, Step};
use super::quarantine::Quarantine;
use crate::derive::{Batch, Rows};
use crate::encode::{ColumnData, PartSchema};
use crate::gather::value_bytes;
use crate::unique::SeenValues;

/// A row group is closed at this many bytes of values, however few rows they are.
const GROUP_BYTES: usize = 64 << 20;
/// Open row groups of all partitions hold at most this many bytes together.
const OPEN_BYTES: usize = 96 << 20;
/// At most this many partitions have an open part.
const OPEN_LANES: usize = 64;

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
    open_bytes: usize,
    /// Batches of rows appended so far: says which lane was least recently appended to.
    appended: u64,
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
    rows: u64,
}

/// A lane and its open row group.
#[derive(Debug)]
struct Gathering {
    lane: Arc<Lane>,
    sequence: u64,
    appended: u64,
    /// Whether rows came since its part was last closed.
    open: bool,
    rows: usize,
    bytes: usize,
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
            open_bytes: 0,
            appended: 0,
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
    pub(crate) fn flush(&mut self, tasks: &mut Vec<EncodeTask>) {
        for at in 0..self.lanes.len() {
            self.close_group(at, tasks);
        }
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
        let at = self.lane(table, rows.partition);
        if !self.lanes[at].open {
            self.make_room(sink, tasks)?;
        }
        self.appended += 1;
        self.tables[table].rows += rows.record.len() as u64;
        let gathering = &mut self.lanes[at];
        gathering.open = true;
        gathering.appended = self.appended;
        gathering.rows += rows.record.len();
        let before = i64::try_from(self.lines).unwrap_or(i64::MAX);
        gathering.record.extend(rows.record.iter().map(|line| before + i64::from(*line)));
        gathering.element.extend(rows.element);
        gathering.columns.resize_with(rows.columns.len(), Vec::new);
        for (arrays, array) in gathering.columns.iter_mut().zip(rows.columns) {
            let bytes = value_bytes(array.as_ref());
            gathering.bytes += bytes;
            self.open_bytes += bytes;
            arrays.push(array);
        }
        if gathering.rows >= self.row_group_rows || gathering.bytes >= GROUP_BYTES {
            self.close_group(at, tasks);
        }
        while self.open_bytes > OPEN_BYTES {
            let largest = (0..self.lanes.len()).rev().max_by_key(|at| self.lanes[*at].bytes);
            let Some(largest) = largest.filter(|at| self.lanes[*at].rows > 0) else { break };
            self.close_group(largest, tasks);
        }
        Ok(())
    }

    fn lane(&mut self, table: usize, partition: Vec<String>) -> usize {
        let place = (table, partition);
        if let Some(at) = self.by_place.get(&place) {
            return *at;
        }
        let state = &self.tables[table];
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
            appended: 0,
            open: false,
            rows: 0,
            bytes: 0,
            columns: Vec::new(),
            record: Vec::new(),
            element: Vec::new(),
        });
        self.by_place.insert(place, self.lanes.len() - 1);
        self.lanes.len() - 1
    }

    /// Closes the part of the lane least recently appended to, where too many are open.
    fn make_room(&mut self, sink: &dyn PartSink, tasks: &mut Vec<EncodeTask>) -> Result<(), TransformError> {
        let open = self.lanes.iter().filter(|gathering| gathering.open).count();
        if open < OPEN_LANES {
            return Ok(());
        }
        let oldest = (0..self.lanes.len()).filter(|at| self.lanes[*at].open).min_by_key(|at| self.lanes[*at].appended);
        let Some(oldest) = oldest else { return Ok(()) };
        self.close_group(oldest, tasks);
        let gathering = &mut self.lanes[oldest];
        gathering.open = false;
        gathering.sequence += 1;
        gathering.lane.deliver(gathering.sequence - 1, Step::Close, sink)
    }

    fn close_group(&mut self, at: usize, tasks: &mut Vec<EncodeTask>) {
        let gathering = &mut self.lanes[at];
        if gathering.rows == 0 {
            return;
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
        self.open_bytes -= gathering.bytes;
        gathering.rows = 0;
        gathering.bytes = 0;
    }
}
