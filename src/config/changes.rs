//! What differs between two configurations, and which of that can change while the server runs.

use super::Loaded;

/// Keys, and the beginnings of keys, whose values can change: they count for whoever comes and for rooms that begin.
const RELOADABLE: [&str; 12] = [
    "keys",
    "keys_file",
    "log.filter",
    "media.codecs",
    "media.audio_codecs",
    "room.",
    "links.",
    "turn.",
    "shutdown.grace",
    "webhooks.secret",
    "webhooks.secret_file",
    "webhooks.signing_key_file",
];
/// Among those, what cannot.
const LASTING: [&str; 1] = ["room.max_delay"];

impl Loaded {
    /// Keys that have other values there, and can have them at once.
    pub fn reloadable_changes(&self, other: &Loaded) -> Vec<String> {
        self.changes(other)
            .into_iter()
            .filter(|key| is_reloadable(key))
            .collect()
    }

    /// Keys that have other values there, and keep these until the server is started again.
    pub fn lasting_changes(&self, other: &Loaded) -> Vec<String> {
        self.changes(other)
            .into_iter()
            .filter(|key| !is_reloadable(key))
            .collect()
    }

    fn changes(&self, other: &Loaded) -> Vec<String> {
        let mut changed = self.layers.differences(&other.layers);
        // What is in files that the configuration names is no value of its own.
        let secret = |loaded: &Loaded| loaded.config.room.turn.first().map(|turn| turn.secret.clone());
        let (own, others) = (&self.config.webhooks, &other.config.webhooks);
        let of_files = [
            ("keys", self.config.keys != other.config.keys),
            ("turn.secret", secret(self) != secret(other)),
            ("webhooks.secret", own.secret != others.secret),
            ("webhooks.signing_key_file", own.signing_key != others.signing_key),
        ];
        for (key, differs) in of_files {
            if differs && !changed.iter().any(|one| one == key) {
                changed.push(key.to_owned());
            }
        }
        changed
    }
}

fn is_reloadable(key: &str) -> bool {
    let is_listed = |known: &&str| key == *known || (known.ends_with('.') && key.starts_with(*known));
    RELOADABLE.iter().any(is_listed) && !LASTING.contains(&key)
}
