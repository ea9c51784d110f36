//! An object on its way from the store to a transform that reads it meanwhile.
//!
//! Lines are read from the start onwards, plain or compressed: they pass through a window in memory, and the store is read
//! no faster than they are. Archives and Parquet are read from their end first: all bytes are then kept in a file without a
//! name, and waited for.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use lakehand_dataset::transformer::{Arriving, Content};
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::StoreError;
use tokio::sync::Notify;

use super::{differs, of_store};
use crate::error::{Blame, Stage, StageError};

/// No chunk is asked for while this many bytes wait to be read.
const WINDOW_BYTES: usize = 12 << 20;

/// So many first bytes may be read again: what an object is, they say.
const FIRST_BYTES: usize = 64 << 10;

/// What brings the bytes. Dropped before it is done, it makes whoever waits for them fail.
#[derive(Debug)]
pub(crate) struct Arrival {
    passage: Arc<Passage>,
    chunks: Chunks,
    object: ObjectStat,
    /// The folder for what has to be kept.
    spool: PathBuf,
}

struct Chunks(BoxStream<'static, Result<Bytes, StoreError>>);

impl std::fmt::Debug for Chunks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chunks")
    }
}

/// What the store's side and the reader's side share.
#[derive(Debug)]
struct Passage {
    size: u64,
    state: Mutex<State>,
    /// Tells the reader, which blocks.
    came: Condvar,
    /// Tells the store's side, which does not.
    asked: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// What has come and was not read past.
    window: VecDeque<Bytes>,
    /// Where the window begins, and where it ends, in the object.
    begins: u64,
    ends: u64,
    /// Where a reader goes on who reads from the start onwards.
    next: u64,
    first: Bytes,
    /// Somebody reads elsewhere, and all has come already: the window stays as it is.
    stays: bool,
    /// Somebody reads elsewhere: all is to be kept.
    keep: bool,
    kept: Option<Arc<File>>,
    /// Nobody reads any more.
    closed: bool,
    /// Nothing more comes.
    over: bool,
}

/// What the store's side does next.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Next,
    Wait,
    Keep,
    Stop,
}

impl Arrival {
    pub(crate) fn new(
        object: &ObjectStat,
        chunks: BoxStream<'static, Result<Bytes, StoreError>>,
        spool: PathBuf,
    ) -> Self {
        let passage =
            Passage { size: object.size, state: Mutex::default(), came: Condvar::new(), asked: Notify::new() };
        Self { passage: Arc::new(passage), chunks: Chunks(chunks), object: object.clone(), spool }
    }

    /// Where the bytes are read.
    pub(crate) fn content(&self) -> Content {
        Content::Arriving(Arc::<Passage>::clone(&self.passage))
    }

    /// Says, once it is called, that nobody reads any more.
    pub(crate) fn closer(&self) -> impl FnOnce() + Send + use<> {
        let passage = Arc::clone(&self.passage);
        move || {
            passage.state().closed = true;
            passage.asked.notify_one();
        }
    }

    /// Brings all bytes, or as many as are read. Fails where the store fails, or where it has more or fewer than stat said.
    pub(crate) async fn run(mut self) -> Result<(), StageError> {
        loop {
            let next = match self.passage.turn() {
                Turn::Stop => return Ok(()),
                Turn::Keep => return self.keep().await,
                Turn::Wait => {
                    self.passage.asked.notified().await;
                    continue;
                }
                Turn::Next => tokio::select! {
                    next = self.chunks.0.next() => next,
                    () = self.passage.asked.notified() => continue,
                },
            };
            let Some(chunk) = next else { return self.ended() };
            let chunk = chunk.map_err(of_store)?;
            let ends = self.passage.take(chunk);
            if ends > self.object.size {
                return Err(differs(&self.object, ends));
            }
        }
    }

    fn ended(&self) -> Result<(), StageError> {
        let ends = self.passage.state().ends;
        if ends == self.object.size { Ok(()) } else { Err(differs(&self.object, ends)) }
    }

    /// Keeps all bytes in a file, and shows it when it is whole.
    async fn keep(&mut self) -> Result<(), StageError> {
        let mut file = None;
        let mut waiting = std::mem::take(&mut self.passage.state().window);
        let mut kept = 0;
        loop {
            let chunk = match waiting.pop_front() {
                Some(chunk) => chunk,
                None if self.passage.turn() == Turn::Stop => return Ok(()),
                None => match self.chunks.0.next().await {
                    Some(chunk) => chunk.map_err(of_store)?,
                    None => break,
                },
            };
            kept += chunk.len() as u64;
            if kept > self.object.size {
                return Err(differs(&self.object, kept));
            }
            file = Some(append(&self.spool, file, chunk).await?);
        }
        if kept < self.object.size {
            return Err(differs(&self.object, kept));
        }
        let mut state = self.passage.state();
        state.ends = kept;
        state.kept = file.map(Arc::new);
        drop(state);
        self.passage.came.notify_all();
        Ok(())
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.passage.state().over = true;
        self.passage.came.notify_all();
    }
}

async fn append(folder: &Path, file: Option<File>, bytes: Bytes) -> Result<File, StageError> {
    let of_task = folder.to_owned();
    let write = move || {
        // Without a name it is gone with its last handle, however the process ends.
        let mut file = file.map_or_else(|| tempfile::tempfile_in(&of_task), Ok)?;
        file.write_all(&bytes)?;
        Ok::<_, io::Error>(file)
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(io::Error::other).flatten().map_err(|error| {
        let folder = folder.display();
        let message = format!("spool a file in {folder}: {error}; it needs room for the objects in work, `max_bytes`");
        StageError::new(Stage::Read, Blame::Infrastructure, message)
    })
}

impl Passage {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Turn {
        let state = self.state();
        // Where all that should come has come, whether more comes is still to be seen.
        if state.closed && state.ends < self.size {
            Turn::Stop
        } else if state.keep && !state.closed {
            Turn::Keep
        } else if state.waiting() >= WINDOW_BYTES && !state.closed {
            Turn::Wait
        } else {
            Turn::Next
        }
    }

    /// Takes a chunk that came; how many bytes have come.
    fn take(&self, chunk: Bytes) -> u64 {
        let mut state = self.state();
        if state.ends == 0 {
            state.first = Bytes::copy_from_slice(&chunk[..chunk.len().min(FIRST_BYTES)]);
        }
        state.ends += chunk.len() as u64;
        state.window.push_back(chunk);
        let ends = state.ends;
        drop(state);
        self.came.notify_all();
        ends
    }
}

impl State {
    fn waiting(&self) -> usize {
        usize::try_from(self.ends - self.begins).unwrap_or(usize::MAX)
    }

    /// Lets go of the chunks that lie before a position, unless they stay.
    fn pass(&mut self, position: u64) {
        while !self.stays
            && let Some(chunk) = self.window.front()
            && self.begins + chunk.len() as u64 <= position
        {
            self.begins += chunk.len() as u64;
            self.window.pop_front();
        }
    }

    /// Reads from the window.
    fn read(&mut self, position: u64, into: &mut [u8]) -> usize {
        let mut begins = self.begins;
        for chunk in &self.window {
            let ends = begins + chunk.len() as u64;
            if position < ends {
                let read = copy(chunk, position - begins, into);
                self.next = self.next.max(position + read as u64);
                return read;
            }
            begins = ends;
        }
        0
    }
}

/// Copies what is there from a position on.
fn copy(bytes: &[u8], from: u64, into: &mut [u8]) -> usize {
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
    let read = into.len().min(bytes.len() - from);
    into[..read].copy_from_slice(&bytes[from..from + read]);
    read
}

impl Arriving for Passage {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() || position >= self.size {
            return Ok(0);
        }
        let mut state = self.state();
        loop {
            if let Some(file) = &state.kept {
                let file = Arc::clone(file);
                drop(state);
                return file.read_at(into, position);
            }
            if position > state.next && state.begins == 0 && !state.stays && !state.keep {
                state.stays = state.ends == self.size;
                state.keep = !state.stays;
                self.asked.notify_one();
            }
            if !state.keep && position < state.begins {
                return match copy(&state.first, position, into) {
                    0 => Err(io::Error::other(format!("byte {position} is asked for again, and was let go of"))),
                    read => Ok(read),
                };
            }
            if !state.keep {
                state.pass(position);
                self.asked.notify_one();
                if position < state.ends {
                    return Ok(state.read(position, into));
                }
            }
            if state.over {
                return Err(io::Error::other("the rest of the object does not come"));
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[cfg(test)]
mod tests;
