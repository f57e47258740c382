//! The task around one [`Recorder`], and the thread that writes what it says.
//!
//! | queue | from → to | capacity | when full |
//! |---|---|---|---|
//! | orders | room → recorder | 16 384 | the recording ends: the disk has stood still for very long |
//! | tapped | shard → recorder | 8 192 | dropped and counted (`recorder_full`); the recording goes on with the next keyframe |
//! | writes | recorder → disk | 256 | the recorder waits, and lets its queues fill |

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::room_task::RoomMessage;
use super::shelf::MANIFEST;
use super::{Inner, RecordingConfig, unix_ms};
use crate::recording::{Action, Ending, Order, Recorder, RecorderNews, STEP, Subject};
use crate::room::{Happening, Input, RoomEvent};
use crate::shard::{Mail, TapMail, Tapped};
use crate::wire::RoomId;
use crate::wire::signal::{RecordingEnd, RecordingInfo};

const ORDERS_CAPACITY: usize = 16_384;
const TAPPED_CAPACITY: usize = 8_192;
const WRITES_CAPACITY: usize = 256;
/// Packets taken out of the queue at once.
const BATCH: usize = 256;
/// How often it is looked at how much space is free.
const SPACE_INTERVAL: Duration = Duration::from_secs(1);

/// A recording that is being made, as its room's task has it. It ends with this.
pub(super) struct Recording {
    orders: mpsc::Sender<Order>,
    /// Where shards put packets.
    packets: mpsc::Sender<Tapped>,
    stop: mpsc::Sender<()>,
}

impl Recording {
    /// Begins one.
    pub(super) fn start(
        node: &Arc<Inner>,
        config: RecordingConfig,
        subject: Subject,
        inbox: mpsc::WeakSender<RoomMessage>,
    ) -> Recording {
        let (orders, ordered) = mpsc::channel(ORDERS_CAPACITY);
        let (packets, tapped) = mpsc::channel(TAPPED_CAPACITY);
        let (stop, stopped) = mpsc::channel(1);
        let task = RecordingTask {
            id: subject.id.clone(),
            room: subject.room.clone(),
            session: Arc::from(subject.session.as_str()),
            started_at_ms: unix_ms(),
            node: Arc::clone(node),
            config,
            inbox,
            ordered,
            tapped,
            // So that the queue stays open when nobody publishes.
            _packets: packets.clone(),
            stopped,
        };
        tracing::info!(recording = %subject.id, "a recording begins");
        node.recordings.spawn(task.run(subject));
        Recording { orders, packets, stop }
    }

    /// The tap that belongs to an order, and false when the recording cannot go on.
    pub(super) fn order(&self, order: Order) -> (Option<(crate::shard::ShardId, Mail)>, bool) {
        let mail = match &order {
            Order::Track { source, shard, .. } => Some((
                *shard,
                TapMail::Begin {
                    source: *source,
                    packets: self.packets.clone(),
                }
                .into(),
            )),
            Order::TrackEnded { source, shard } => Some((*shard, TapMail::End { source: *source }.into())),
            Order::Joined { .. }
            | Order::Left { .. }
            | Order::Encrypted { .. }
            | Order::Linked { .. }
            | Order::Unlinked { .. }
            | Order::LinkedPerson { .. }
            | Order::LinkedPersonLeft { .. } => None,
        };
        let is_taken = match self.orders.try_send(order) {
            Ok(()) => true,
            // It has ended by itself; the room hears of that.
            Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
        };
        (mail, is_taken)
    }

    /// Ends it, with what was ordered so far.
    pub(super) fn stop(&self) {
        // The second time it is known already.
        let _known = self.stop.try_send(());
    }
}

struct RecordingTask {
    id: String,
    room: RoomId,
    session: Arc<str>,
    started_at_ms: u64,
    node: Arc<Inner>,
    config: RecordingConfig,
    inbox: mpsc::WeakSender<RoomMessage>,
    ordered: mpsc::Receiver<Order>,
    tapped: mpsc::Receiver<Tapped>,
    _packets: mpsc::Sender<Tapped>,
    stopped: mpsc::Receiver<()>,
}

/// What the disk has to say.
enum DiskNews {
    Ready,
    Failed(RecordingEnd),
}

impl RecordingTask {
    async fn run(mut self, subject: Subject) {
        self.node.metrics.recordings.inc();
        let _making = self.node.shelf.as_ref().map(|shelf| shelf.begin(&self.id));
        let folder = self.config.directory.join(&subject.id);
        let (writes, to_write) = mpsc::channel(WRITES_CAPACITY);
        let (says, mut news) = mpsc::channel(4);
        let disk = Disk {
            folder,
            min_free: self.config.min_free,
            files: HashMap::new(),
            looked_at: None,
            failed: false,
            says,
        };
        let disk = tokio::task::spawn_blocking(move || disk.run(to_write));
        let mut recorder = Recorder::new(subject, self.config.limits, Instant::now(), unix_ms());
        let end = self.record(&mut recorder, &writes, &mut news).await;
        // Taps are gone by now, or soon: what they left is the last of it.
        while let Ok(tapped) = self.tapped.try_recv() {
            recorder.push(tapped);
        }
        let mut ending = recorder.finish(Instant::now(), unix_ms(), end);
        while let Some(action) = recorder.poll_action() {
            // Without a disk there is nobody to write it.
            let _gone = writes.send(action).await;
        }
        drop(writes);
        if disk.await.is_err() {
            self.node.metrics.panics.inc();
            ending.end = RecordingEnd::DiskFailed;
        }
        // Another file may have failed while the others were ended.
        if let Ok(DiskNews::Failed(end)) = news.try_recv() {
            ending.end = end;
        }
        self.tell_end(ending).await;
    }

    /// Until it has to end: why.
    async fn record(
        &mut self,
        recorder: &mut Recorder,
        writes: &mpsc::Sender<Action>,
        news: &mut mpsc::Receiver<DiskNews>,
    ) -> RecordingEnd {
        let mut step = tokio::time::interval(STEP);
        step.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                order = self.ordered.recv() => match order {
                    Some(order) => recorder.handle(Instant::now(), order),
                    None => return RecordingEnd::RoomClosed,
                },
                Some(()) = self.stopped.recv() => return RecordingEnd::Stopped,
                () = self.node.closing.cancelled() => return RecordingEnd::RoomClosed,
                Some(said) = news.recv() => match said {
                    DiskNews::Ready => _ = self.tell(RecorderNews::Started).await,
                    DiskNews::Failed(end) => return end,
                },
                _ = step.tick() => {
                    if let Some(end) = recorder.advance(Instant::now()) {
                        return end;
                    }
                }
                _ = self.tapped.recv_many(&mut batch, BATCH) => batch.drain(..).for_each(|tapped| recorder.push(tapped)),
            }
            while let Some(action) = recorder.poll_action() {
                if let Action::Keyframe { source, shard } = action {
                    if let Some(shard) = self.node.shards.get(usize::from(shard.0)) {
                        // It is asked for again.
                        shard.try_send(TapMail::Keyframe { source }.into());
                    }
                } else if writes.send(action).await.is_err() {
                    return RecordingEnd::DiskFailed;
                }
            }
        }
    }

    /// False: the room has ended, and need not know.
    async fn tell(&self, news: RecorderNews) -> bool {
        let recording = self.id.clone();
        match self.inbox.upgrade() {
            Some(inbox) => {
                let message = RoomMessage::Input(Input::Recorder { recording, news });
                inbox.send(message).await.is_ok()
            }
            None => false,
        }
    }

    async fn tell_end(&self, ending: Ending) {
        let end = ending.end.as_str();
        let metrics = &self.node.metrics;
        metrics.recordings.dec();
        metrics.recordings_ended.with_label_values(&[end]).inc();
        metrics.recorded_bytes.inc_by(ending.bytes);
        let seconds = ending.length.as_secs();
        match ending.end {
            RecordingEnd::Stopped | RecordingEnd::RoomClosed => {
                tracing::info!(recording = %self.id, end, seconds, bytes = ending.bytes, "a recording has ended");
            }
            RecordingEnd::TooLong | RecordingEnd::TooLarge | RecordingEnd::DiskFull | RecordingEnd::DiskFailed => {
                tracing::warn!(recording = %self.id, end, seconds, bytes = ending.bytes, "a recording was ended");
            }
        }
        let (end, length, bytes) = (ending.end, ending.length, ending.bytes);
        if !self.tell(RecorderNews::Ended(ending)).await {
            self.put_on_record(end, length, bytes);
        }
    }

    /// What the room would have told if it still were: those outside wait for the end of a recording.
    fn put_on_record(&self, end: RecordingEnd, length: Duration, bytes: u64) {
        let info = RecordingInfo {
            recording: self.id.clone(),
            state: end.state(),
            by: None,
            started_at_ms: self.started_at_ms,
            reason: Some(end),
            length_ms: u64::try_from(length.as_millis()).ok(),
            bytes: Some(bytes),
        };
        self.node.records.tell(Box::new(RoomEvent {
            room: self.room.clone(),
            session: self.session.clone(),
            // The room's count is over.
            sequence: 0,
            at_ms: unix_ms(),
            what: Happening::Recording(info),
        }));
    }
}

/// The thread that writes. After its first failure nothing is added to the file that failed, which plays as far as it goes.
struct Disk {
    folder: PathBuf,
    min_free: u64,
    /// Each with its length so far; `None`: it failed.
    files: HashMap<usize, Option<(File, u64)>>,
    looked_at: Option<Instant>,
    failed: bool,
    says: mpsc::Sender<DiskNews>,
}

impl Disk {
    fn run(mut self, mut actions: mpsc::Receiver<Action>) {
        if let Err(error) = fs::create_dir_all(&self.folder) {
            self.fail(&error);
        }
        let mut is_ready = false;
        while let Some(action) = actions.blocking_recv() {
            let is_manifest = matches!(action, Action::Manifest(_));
            match self.perform(action) {
                Ok(()) if is_manifest && !is_ready => {
                    is_ready = true;
                    // The recorder hears of the end in any case.
                    let _over = self.says.try_send(DiskNews::Ready);
                }
                Ok(()) => {}
                Err(error) => self.fail(&error),
            }
            self.look_at_space();
        }
    }

    fn perform(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Create { file, name, bytes } => {
                let made = File::options()
                    .write(true)
                    .create_new(true)
                    .open(self.folder.join(name));
                self.files.insert(file, None);
                self.files.insert(file, Some((made?, 0)));
                self.append(file, &bytes)
            }
            Action::Append { file, bytes } => self.append(file, &bytes),
            Action::Patch { file, patch } => match self.files.get(&file) {
                Some(Some((open, _))) => open.write_all_at(&patch.bytes, patch.at),
                Some(None) | None => Ok(()),
            },
            Action::Close { file } => {
                self.files.remove(&file);
                Ok(())
            }
            Action::Manifest(json) => write_manifest(&self.folder, &json),
            // The task's own.
            Action::Keyframe { .. } => Ok(()),
        }
    }

    fn append(&mut self, file: usize, bytes: &[u8]) -> io::Result<()> {
        let Some(Some((open, len))) = self.files.get_mut(&file) else {
            return Ok(());
        };
        match open.write_all_at(bytes, *len) {
            Ok(()) => {
                *len += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Half a cluster is worth nothing, and the space may be needed to end the others. It is cut off if it can be.
                let _kept = open.set_len(*len);
                self.files.insert(file, None);
                Err(error)
            }
        }
    }

    fn look_at_space(&mut self) {
        if self.looked_at.is_some_and(|at| at.elapsed() < SPACE_INTERVAL) {
            return;
        }
        self.looked_at = Some(Instant::now());
        // Where it cannot be told, writing will.
        let Ok(space) = rustix::fs::statvfs(&self.folder) else {
            return;
        };
        if space.f_bavail.saturating_mul(space.f_frsize) < self.min_free {
            self.say_failed(RecordingEnd::DiskFull);
        }
    }

    fn fail(&mut self, error: &io::Error) {
        if !self.failed {
            tracing::warn!(%error, "a recording cannot be written");
        }
        let is_full = [
            io::ErrorKind::StorageFull,
            io::ErrorKind::QuotaExceeded,
            io::ErrorKind::FileTooLarge,
        ];
        self.say_failed(if is_full.contains(&error.kind()) {
            RecordingEnd::DiskFull
        } else {
            RecordingEnd::DiskFailed
        });
    }

    fn say_failed(&mut self, end: RecordingEnd) {
        if !std::mem::replace(&mut self.failed, true) {
            // There is place for one of each.
            let _full = self.says.try_send(DiskNews::Failed(end));
        }
    }
}

/// Whoever reads it sees the old one or the new one.
fn write_manifest(folder: &Path, json: &[u8]) -> io::Result<()> {
    let next = folder.join("manifest.json.next");
    let mut file = File::create(&next)?;
    file.write_all(json)?;
    fs::rename(next, folder.join(MANIFEST))
}
