//! What all nodes have together: the rooms that live on them, and the sessions they keep.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::Inner;
use super::{Cluster, LISTING_PATIENCE};
use crate::cluster::{Answer, NodeId, Question};
use crate::records::{LinkRecord, Page, RecordsError, SessionRecord, StayRecord, Store};

/// A list that is longer is cut, and the rest asked for: buses carry no more than a megabyte at once.
const LIST_BYTES_MAX: usize = 512 << 10;

/// A part of a list that another node gave.
#[derive(Debug)]
pub(in crate::node) struct Part<T> {
    /// Who.
    pub(in crate::node) node: NodeId,
    pub(in crate::node) items: Vec<T>,
    pub(in crate::node) total: u64,
    /// It was cut; what is behind its last may be asked for.
    pub(in crate::node) more: bool,
}

impl Cluster {
    /// Asks all other nodes at once. Beside what they say: who did not answer in time.
    pub(in crate::node) async fn ask_all<T: DeserializeOwned>(
        &self,
        question: &Question,
    ) -> (Vec<Part<T>>, Vec<NodeId>) {
        let nodes: Vec<NodeId> = {
            let nodes = self.shared.directory.nodes();
            let others = nodes.iter().filter(|(node, _)| *node != self.own());
            others.map(|(node, _)| node.clone()).collect()
        };
        let asked = nodes.iter().map(|node| self.ask_for(node, question.clone()));
        let answers = futures_util::future::join_all(asked).await;
        let (mut parts, mut silent) = (Vec::new(), Vec::new());
        for (node, answer) in nodes.into_iter().zip(answers) {
            match answer {
                Some(part) => parts.push(part),
                None => silent.push(node),
            }
        }
        (parts, silent)
    }

    /// Asks one for a list; `None`: it does not answer, or not so that it can be read.
    pub(in crate::node) async fn ask_for<T: DeserializeOwned>(
        &self,
        node: &NodeId,
        question: Question,
    ) -> Option<Part<T>> {
        match self.ask(node, question, &[], LISTING_PATIENCE).await {
            Ok((Answer::List { total, more }, body)) => Some(Part {
                node: node.clone(),
                items: serde_json::from_slice(&body).ok()?,
                total,
                more,
            }),
            Ok(_) | Err(_) => None,
        }
    }
}

/// Answers what another node asks for.
pub(super) async fn answer(node: &Inner, question: Question) -> (Answer, Bytes) {
    match question {
        Question::Living { after, most } => {
            let (items, total) = (
                node.directory.shown(after.as_ref(), most as usize),
                node.directory.len(),
            );
            list(&items, total as u64)
        }
        Question::Sessions { room, before, most } => {
            read(node, move |store| {
                let before = before.as_ref().map(|(start, id)| (*start, id.as_str()));
                store.sessions_before(room.as_ref().map(|room| room.as_str()), before, most as usize)
            })
            .await
        }
        Question::Session { session } => {
            read::<SessionRecord>(node, move |store| Ok(page(store.session(&session)?.into_iter()))).await
        }
        Question::Stays {
            session,
            from,
            most,
            bare,
        } => {
            read::<StayRecord>(node, move |store| {
                let (from, most) = (from as usize, most as usize);
                let stays = store.stays(&session, from.saturating_add(most))?.into_iter().skip(from);
                Ok(page(stays.map(|stay| if bare { stay.bare() } else { stay })))
            })
            .await
        }
        Question::Links { session } => {
            read::<LinkRecord>(node, move |store| Ok(page(store.links(&session)?.into_iter()))).await
        }
        Question::There | Question::Http(_) | Question::Presence { .. } | Question::Rooms { .. } => {
            (Answer::Unsupported, Bytes::new())
        }
    }
}

fn page<T>(items: impl Iterator<Item = T>) -> Page<T> {
    let items: Vec<T> = items.collect();
    let total = items.len() as u64;
    Page { items, total }
}

async fn read<T: Serialize + Send + 'static>(
    node: &Inner,
    read: impl FnOnce(&Store) -> Result<Page<T>, RecordsError> + Send + 'static,
) -> (Answer, Bytes) {
    match node.records.read(read).await {
        Ok(page) => list(&page.items, page.total),
        Err(_) => (Answer::Unsupported, Bytes::new()),
    }
}

/// As many as fit, and always one.
fn list<T: Serialize>(items: &[T], total: u64) -> (Answer, Bytes) {
    let mut body = vec![b'['];
    let mut more = false;
    for (at, item) in items.iter().enumerate() {
        let item = serde_json::to_vec(item).expect("records have only string keys, so they can be written");
        if at > 0 && body.len() + item.len() > LIST_BYTES_MAX {
            more = true;
            break;
        }
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&item);
    }
    body.push(b']');
    (Answer::List { total, more }, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_where_it_is_too_long_and_says_so() {
        let long = "x".repeat(200 << 10);
        let (answer, body) = list(&[&long, &long, &long, &long], 9);
        assert_eq!(answer, Answer::List { total: 9, more: true });
        let read: Vec<String> = serde_json::from_slice(&body).unwrap();
        assert_eq!(read.len(), 2);
        let (answer, body) = list::<u8>(&[], 0);
        assert_eq!(
            (answer, &body[..]),
            (Answer::List { total: 0, more: false }, &b"[]"[..])
        );
        let longer = "x".repeat(600 << 10);
        assert_eq!(list(&[&longer], 1).0, Answer::List { total: 1, more: false });
    }
}
