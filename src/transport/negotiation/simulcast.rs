//! `a=rid` and `a=simulcast` (RFC 8851, RFC 8853): which encodings of one source the client sends.

use super::limits;

/// Collects both attributes of one m-line, in whichever order they stand.
#[derive(Default)]
pub(super) struct Reader<'a> {
    /// Ids of `a=rid:<id> send`.
    declared: Vec<&'a str>,
    /// Send half of the first `a=simulcast`; there is at most one per m-line.
    send: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(super) fn rid(&mut self, value: &'a str) {
        let mut words = value.split_ascii_whitespace();
        if let (Some(id), Some("send")) = (words.next(), words.next())
            && self.declared.len() < limits::RIDS
            && is_rid(id)
            && !self.declared.contains(&id)
        {
            self.declared.push(id);
        }
    }

    pub(super) fn simulcast(&mut self, value: &'a str) {
        let mut words = value.split_ascii_whitespace();
        while let (None, Some(direction), Some(list)) = (self.send, words.next(), words.next()) {
            if direction == "send" {
                self.send = Some(list);
            }
        }
    }

    /// The ids to answer with: in the order of `a=simulcast`, each declared by `a=rid`, the first of alternatives
    /// (`,`), the pause mark (`~`) left out since we ask for every encoding.
    pub(super) fn sent(&self) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for alternatives in self.send.unwrap_or_default().split(';').take(limits::RIDS) {
            let first = alternatives
                .split(',')
                .map(|id| id.trim_start_matches('~'))
                .find(|id| self.declared.contains(id) && !ids.iter().any(|other| other == id));
            ids.extend(first.map(str::to_owned));
        }
        ids.truncate(limits::ENCODINGS);
        ids
    }
}

/// Alphanumeric (RFC 8852 section 3) or the two marks that RFC 8851 allows; at most what one header extension holds.
fn is_rid(id: &str) -> bool {
    (1..=16).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(lines: &[&'static str]) -> Vec<String> {
        let mut reader = Reader::default();
        for line in lines {
            match line.strip_prefix("rid:") {
                Some(rid) => reader.rid(rid),
                None => reader.simulcast(line),
            }
        }
        reader.sent()
    }

    #[test]
    fn keeps_the_order_of_the_simulcast_line() {
        assert_eq!(
            sent(&["rid:q send", "rid:h send", "rid:f send", "send f;h;q"]),
            ["f", "h", "q"]
        );
        assert_eq!(sent(&["send q;h", "rid:h send", "rid:q send"]), ["q", "h"]);
    }

    #[test]
    fn answers_paused_and_the_first_alternative() {
        assert_eq!(
            sent(&["rid:1 send", "rid:2 send", "rid:3 send", "send ~1;2,3"]),
            ["1", "2"]
        );
        assert_eq!(sent(&["rid:3 send", "send 2,~3"]), ["3"]);
    }

    #[test]
    fn lists_nothing_undeclared_doubled_or_received() {
        assert_eq!(sent(&["rid:a send", "rid:b recv", "send a;b;c;a"]), ["a"]);
        assert_eq!(sent(&["rid:a send", "rid:b send", "recv b send a"]), ["a"]);
        assert_eq!(sent(&["rid:a send", "rid:b send", "send a", "send b"]), ["a"]);
        assert_eq!(sent(&["rid:a send"]), Vec::<String>::new());
        assert_eq!(
            sent(&[
                "rid:a\u{e9} send",
                "rid:12345678901234567 send",
                "send a\u{e9};12345678901234567"
            ]),
            [""; 0]
        );
    }
}
