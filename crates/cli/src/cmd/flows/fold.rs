//! From packets to connections on two cores: one thread reads and sifts, this one folds.
//!
//! Batches go over in the order of their packets and the table alone decides, so that the answer
//! is the same to the byte however many cores there are. One thread does both where a second is
//! not wanted or not to be had.

use crate::intake::captures::Captures;
use hopclock_core::capture::Packet;
use hopclock_core::flow::{Batch, Finished, Numbering, Observer, Sifter, Table};
use std::io;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Packets handed over at once: so few that a batch stays in the caches both cores see, so many
/// that handing over costs nothing.
const BATCH: usize = 256;
/// Batches that may wait for the table.
const WAITING: usize = 4;

/// Numbers that run on over several files. Locked for a batch at a time.
#[derive(Default)]
pub struct Numbers(Mutex<Numbering>);

impl Numbers {
    /// The numbers given so far.
    pub fn known(&self) -> MutexGuard<'_, Numbering> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every packet into `table`; `gone` takes each connection that has to give way. Where it
/// fails, so does this.
pub fn all(
    captures: &mut Captures,
    mut table: Table,
    numbers: &Numbers,
    threads: usize,
    gone: &mut dyn FnMut(Finished) -> io::Result<()>,
) -> io::Result<Observer> {
    let enough = AtomicBool::new(false);
    let mut failed = Ok(());
    let mut fold = |batch: &Batch| {
        table.fold(batch, &mut |flow| {
            if failed.is_ok() {
                failed = gone(flow);
            }
        });
        failed.is_ok()
    };
    let alone = |captures: &mut Captures, fold: &mut dyn FnMut(&Batch) -> bool| {
        sift(captures, numbers, &enough, &mut |batch| {
            enough.store(!fold(&batch), Ordering::Relaxed);
            batch
        })
    };
    let sifter = if threads < 2 {
        alone(captures, &mut fold)
    } else {
        thread::scope(|scope| {
            let (full, filled) = sync_channel::<Batch>(WAITING);
            let (back, empty) = channel::<Batch>();
            let (hand, taken) = sync_channel::<&mut Captures>(1);
            let enough = &enough;
            let work = move || {
                let captures = taken.recv().ok()?;
                Some(sift(captures, numbers, enough, &mut |batch| {
                    if full.send(batch).is_err() {
                        enough.store(true, Ordering::Relaxed);
                    }
                    empty.try_recv().unwrap_or_else(|_| Batch::with_room(BATCH))
                }))
            };
            match thread::Builder::new().name("sift".to_owned()).spawn_scoped(scope, work) {
                Err(_) => alone(captures, &mut fold),
                Ok(sifting) => {
                    // It waits for nothing else.
                    let _ = hand.send(captures);
                    drop(hand);
                    take(filled, &back, &mut fold);
                    let sifter = sifting.join().unwrap_or_else(|why| panic::resume_unwind(why));
                    sifter.unwrap_or_default()
                }
            }
        })
    };
    failed?;
    Ok(Observer::of(sifter, table))
}

/// Folds what comes until nothing more does, or until it is enough.
fn take(filled: Receiver<Batch>, back: &Sender<Batch>, fold: &mut dyn FnMut(&Batch) -> bool) {
    for mut batch in filled {
        if !fold(&batch) {
            return;
        }
        batch.clear();
        // Nobody fills it again when all is read.
        let _ = back.send(batch);
    }
}

/// Reads and sifts every packet; `hand` takes a batch and gives back an empty one.
fn sift(
    captures: &mut Captures,
    numbers: &Numbers,
    enough: &AtomicBool,
    hand: &mut dyn FnMut(Batch) -> Batch,
) -> Sifter {
    let several = captures.sources().len() > 1;
    let mut sifter = Sifter::new();
    let mut batch = Batch::with_room(BATCH);
    let mut known = None;
    captures.each(enough, &mut |packet, file| {
        let number = match several {
            true => known.get_or_insert_with(|| numbers.known()).next(file, packet.number),
            false => packet.number,
        };
        sifter.packet(&Packet { number, ..*packet }, file, &mut batch);
        if batch.len() >= BATCH {
            // Whoever takes it may want to know the numbers.
            known = None;
            batch = hand(std::mem::take(&mut batch));
            batch.clear();
        }
    });
    drop(known);
    hand(batch);
    sifter
}
