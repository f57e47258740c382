//! What other nodes say to this one.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::Inner;
use super::super::room_task::RoomMessage;
use super::lists;
use super::relay::Relay;
use super::{HandedOn, PATIENCE, Shared, node_subject, question_subject, tell_unreachable};
use crate::cluster::{Answer, Deliveries, Delivery, NodeId, Note, Question, RelayEnd, RelayNote, pack, unpack};
use crate::room::Input;
use crate::wire::ErrorCode;
use crate::wire::link::{LinkFrame, decode};
use crate::wire::signal::Presence;

/// A bus that was lost is asked for anew this often.
const AGAIN: Duration = Duration::from_millis(500);
/// Frames of links that wait until it is known whose the room is that speaks.
const FRAMES_MAX: usize = 1_024;
/// Questions that are answered at the same time.
const QUESTIONS_MAX: usize = 64;

pub(super) struct Inbox {
    pub(super) node: Arc<Inner>,
    pub(super) shared: Arc<Shared>,
    pub(super) sockets: mpsc::Sender<Relay>,
    pub(super) requests: mpsc::Sender<HandedOn>,
}

impl Inbox {
    /// Takes in what comes, for as long as the node lives.
    pub(super) async fn run(self) {
        let inbox = Arc::new(self);
        let (frames, mut waiting) = mpsc::channel(FRAMES_MAX);
        let taking = Arc::clone(&inbox);
        tokio::spawn(async move {
            while let Some((from, frame)) = waiting.recv().await {
                taking.take_frame(from, frame).await;
            }
        });
        inbox.listen(frames).await;
    }

    async fn listen(&self, frames: mpsc::Sender<(NodeId, Box<LinkFrame>)>) {
        let own = self.shared.directory.own().clone();
        let questions = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let (mut notes, mut asked): (Option<Deliveries>, Option<Deliveries>) = (None, None);
        loop {
            let bus = self.shared.directory.bus();
            if notes.is_none() {
                notes = bus.listen(node_subject(&own)).await.ok();
            }
            if asked.is_none() {
                asked = bus.listen(question_subject(&own)).await.ok();
            }
            let (Some(noted), Some(questioned)) = (&mut notes, &mut asked) else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            tokio::select! {
                note = noted.next() => match note {
                    Some(Delivery { payload, .. }) => self.take(&payload, &frames).await,
                    None => notes = None,
                },
                question = questioned.next() => match question {
                    Some(question) => self.answer(question, &questions),
                    None => asked = None,
                },
            }
        }
    }

    async fn take(&self, message: &Bytes, frames: &mpsc::Sender<(NodeId, Box<LinkFrame>)>) {
        let (head, body) = match unpack::<Note>(message) {
            Ok(read) => read,
            Err(error) => return tracing::debug!(%error, "a message of another node cannot be read"),
        };
        let from = head.from;
        // Nobody speaks to himself over the bus.
        if from == *self.shared.directory.own() {
            return tracing::debug!("somebody spoke in our name");
        }
        match head.what {
            Note::Link => match std::str::from_utf8(&body).ok().and_then(|text| decode(text).ok()) {
                // What finds no place is lost, and its link sends it again.
                Some(frame) => drop(frames.try_send((from, Box::new(frame)))),
                None => tracing::debug!(%from, "a frame of a link cannot be read"),
            },
            Note::Nobody {
                to,
                room,
                session,
                code,
            } => {
                self.shared.directory.forget(&room);
                tell_unreachable(&self.node, &to, room, session, code).await;
            }
            Note::Relay {
                relay,
                holder,
                part: RelayNote::End(RelayEnd::Broken),
                ..
            } => self.shared.relays.broken(from, relay, holder),
            Note::Relay {
                relay,
                holder,
                seq,
                part,
            } => match self.shared.relays.take(from.clone(), relay, holder, (seq, part, &body)) {
                Ok(None) => {}
                Ok(Some(begun)) => {
                    if let Err(error) = self.sockets.try_send(begun) {
                        let come_again = RelayEnd::Close {
                            code: 1013,
                            reason: "no time for somebody new; try again".to_owned(),
                        };
                        error.into_inner().end(come_again).await;
                    }
                }
                Err(()) => self.shared.relays.refuse(from, relay, holder).await,
            },
        }
    }

    /// It may have to be asked whose the room is, which nothing else waits for.
    async fn take_frame(&self, from: NodeId, frame: Box<LinkFrame>) {
        // A node speaks for the rooms it owns, and for no others.
        match self.shared.directory.find(&frame.from.room).await {
            Ok(Some(owner)) if owner == from => {}
            Ok(_) => {
                self.shared.directory.forget(&frame.from.room);
                if !matches!(self.shared.directory.find(&frame.from.room).await, Ok(Some(owner)) if owner == from) {
                    return tracing::debug!(%from, "a node spoke for a room that is not its own");
                }
            }
            // It cannot be asked: what cannot be checked is not believed. The link says it again.
            Err(_) => return,
        }
        self.shared.talks.note(&frame.to, &frame.from.room, &from);
        self.hand_in(from, frame).await;
    }

    /// Never waits for a room: what finds no place is lost, and its link sends it again.
    async fn hand_in(&self, from: NodeId, frame: Box<LinkFrame>) {
        let (to, room, session) = (frame.to.clone(), frame.from.room.clone(), frame.to_session.clone());
        let handed = match self.node.directory.by_id(&to) {
            Some(handle) => {
                let message = RoomMessage::Input(Input::Link { frame });
                !matches!(
                    handle.inbox.try_send(message),
                    Err(mpsc::error::TrySendError::Closed(_))
                )
            }
            None => false,
        };
        if !handed {
            let nobody = Note::Nobody {
                to: room,
                room: to,
                session,
                code: ErrorCode::RoomNotFound,
            };
            let packed = pack(self.shared.directory.own(), nobody, &[]);
            // It asks again.
            let _lost = self.shared.directory.bus().publish(node_subject(&from), packed).await;
        }
    }

    /// Answers in a task of its own.
    fn answer(&self, question: Delivery, at_once: &Arc<Semaphore>) {
        let Some(reply) = question.reply else { return };
        let Ok(permit) = Arc::clone(at_once).try_acquire_owned() else {
            return;
        };
        let (node, shared, requests) = (Arc::clone(&self.node), Arc::clone(&self.shared), self.requests.clone());
        tokio::spawn(async move {
            let (answer, body) = match unpack::<Question>(&question.payload) {
                Ok((head, body)) => find_answer(&node, &requests, head.what, body).await,
                Err(_) => (Answer::Unsupported, Bytes::new()),
            };
            let packed = pack(shared.directory.own(), answer, &body);
            // Whoever asked has stopped waiting by then.
            let _late = shared.directory.bus().publish(reply, packed).await;
            drop(permit);
        });
    }
}

async fn find_answer(
    node: &Inner,
    requests: &mpsc::Sender<HandedOn>,
    question: Question,
    body: Bytes,
) -> (Answer, Bytes) {
    let rooms = |rooms: Vec<Presence>| {
        let body = serde_json::to_vec(&rooms).expect("what rooms show has only string keys, so it can be written");
        (Answer::Rooms, Bytes::from(body))
    };
    match question {
        Question::There => rooms(Vec::new()),
        Question::Presence { room } => rooms(node.directory.presence(&room).into_iter().collect()),
        Question::Rooms { listing } => rooms(node.directory.listed(&listing)),
        question @ (Question::Living { .. }
        | Question::Sessions { .. }
        | Question::Session { .. }
        | Question::Stays { .. }
        | Question::Links { .. }) => lists::answer(node, question).await,
        Question::Http(question) => {
            let (reply, response) = oneshot::channel();
            let handed = HandedOn { question, body, reply };
            if requests.try_send(handed).is_err() {
                return (Answer::Unsupported, Bytes::new());
            }
            match tokio::time::timeout(PATIENCE, response).await {
                Ok(Ok((answer, body))) => (Answer::Http(answer), body),
                Ok(Err(_)) | Err(_) => (Answer::Unsupported, Bytes::new()),
            }
        }
    }
}
