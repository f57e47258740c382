//! The controlling side of ICE towards one address.

use enfilade::transport::stun::{BindingRequest, IntegrityKey};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};
use std::net::SocketAddr;

/// Type of a Binding success response.
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// One side's name and password.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
}

impl Credentials {
    /// Long enough for ICE, and different for everybody. Nothing depends on their being secret.
    pub(crate) fn random(number: u32) -> Self {
        Self {
            ufrag: format!("load{number:08x}"),
            pwd: format!("{number:08x}{}", "0123456789abcdef"),
        }
    }
}

/// A pair that is nominated from its first check on.
pub(super) struct Ice {
    username: String,
    pwd: String,
    own: IntegrityKey,
    answered: bool,
}

/// What a STUN message was.
pub(super) enum Heard {
    /// The server answered a check.
    Answer,
    /// The server checks, too; this is the answer.
    Check(Vec<u8>),
    Nothing,
}

impl Ice {
    pub(super) fn new(own: &Credentials, server: &Credentials) -> Self {
        Self {
            username: format!("{}:{}", server.ufrag, own.ufrag),
            pwd: server.pwd.clone(),
            own: IntegrityKey::new(&own.pwd),
            answered: false,
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The next check.
    pub(super) fn check(&self) -> anyhow::Result<Vec<u8>> {
        let provider = AwsLcRsProvider::new();
        let mut message = Message::new();
        message.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)])?;
        message.add(ATTR_USERNAME, self.username.as_bytes());
        message.add(ATTR_PRIORITY, &[0x6e, 0, 1, 0xff]);
        message.add(ATTR_ICE_CONTROLLING, &[7; 8]);
        message.add(ATTR_USE_CANDIDATE, &[]);
        MessageIntegrity::new_raw_integrity_with_provider(self.pwd.as_bytes(), provider.crypto())
            .add_to(&mut message)?;
        FINGERPRINT.add_to(&mut message)?;
        Ok(message.raw)
    }

    pub(super) fn read(&mut self, from: SocketAddr, datagram: &[u8]) -> Heard {
        if datagram.starts_with(&BINDING_SUCCESS) {
            self.answered = true;
            return Heard::Answer;
        }
        let Ok(request) = BindingRequest::parse(datagram) else {
            return Heard::Nothing;
        };
        if request.verify(&self.own).is_err() {
            return Heard::Nothing;
        }
        let mut answer = Vec::new();
        request.write_success(from, &self.own, &mut answer);
        Heard::Check(answer)
    }
}
