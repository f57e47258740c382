//! Clients that come over TCP or TLS: a stream is cut into messages, and a client that does not read is let go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Input;
use crate::turn::{Client, MESSAGE_BYTES_MAX, Way};

/// Messages to one client that wait to be written. What comes then is dropped, as a network would.
const OUTBOX_CAPACITY: usize = 256;
/// How long a client may take nothing.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Out of descriptors, accepting again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const HEADER_LEN: usize = 4;

/// What is written to a client.
pub(super) type Connection = mpsc::Sender<Vec<u8>>;

/// What TLS makes of a connection.
pub(in crate::node) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The handshake of TLS, which is done elsewhere.
pub(in crate::node) type Greet =
    Arc<dyn Fn(TcpStream) -> Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>> + Send + Sync>;

/// Takes connections for as long as it is let.
pub(super) async fn accept(listener: TcpListener, way: Way, greet: Option<Greet>, inbox: mpsc::Sender<Input>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Media waits for nothing. A socket that cannot be set is served all the same.
                let _unset = stream.set_nodelay(true);
                let client = Client { way, address };
                tokio::spawn(serve(client, stream, greet.clone(), inbox.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the TURN server could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(client: Client, stream: TcpStream, greet: Option<Greet>, inbox: mpsc::Sender<Input>) {
    let (outbox_tx, mut outbox) = mpsc::channel(OUTBOX_CAPACITY);
    // It is held from the first moment on, so that handshakes count among the connections that there may be.
    if inbox.send(Input::Connected(client, outbox_tx)).await.is_err() {
        return;
    }
    let ended = match greet {
        None => pump(client, stream, outbox, &inbox).await,
        Some(greet) => tokio::select! {
            greeted = greet(stream) => match greeted {
                Ok(stream) => pump(client, stream, outbox, &inbox).await,
                Err(error) => Err(error),
            },
            // Without a queue it is not wanted, and before the handshake nothing is put into it.
            None = outbox.recv() => Ok(()),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the TURN server ended early");
    }
    // The task has ended when it takes nothing.
    let _ended = inbox.send(Input::Ended(client)).await;
}

async fn pump<S: Stream>(
    client: Client,
    mut stream: S,
    mut outbox: mpsc::Receiver<Vec<u8>>,
    inbox: &mpsc::Sender<Input>,
) -> io::Result<()> {
    let mut read = Vec::with_capacity(2 * MESSAGE_BYTES_MAX);
    loop {
        tokio::select! {
            bytes = outbox.recv() => {
                // Without a queue it is not wanted any more.
                let Some(bytes) = bytes else { return Ok(()) };
                timeout(WRITE_TIMEOUT, stream.write_all(&bytes)).await??;
                timeout(WRITE_TIMEOUT, stream.flush()).await??;
            }
            count = stream.read_buf(&mut read) => {
                if count? == 0 {
                    return Ok(());
                }
                let mut rest = read.as_slice();
                while let Some((message, after)) = cut(rest)? {
                    if inbox.send(Input::Message(client, message.to_vec())).await.is_err() {
                        return Ok(());
                    }
                    rest = after;
                }
                let done = read.len() - rest.len();
                read.drain(..done);
            }
        }
    }
}

/// The first message of a stream and what follows it. `None`: it has not all come yet.
///
/// # Errors
/// There is no message, or one that is too long: whoever follows cannot be told where the next begins.
fn cut(bytes: &[u8]) -> io::Result<Option<(&[u8], &[u8])>> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let (len, padded) = match header[0] >> 6 {
        0 => (20 + len, 20 + len),
        // RFC 8656 section 12.5: padded in a stream, which the length does not say.
        1 => (HEADER_LEN + len, (HEADER_LEN + len).next_multiple_of(4)),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    if len > MESSAGE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if bytes.len() < padded {
        return Ok(None);
    }
    Ok(Some((&bytes[..len], &bytes[padded..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages_wherever_it_is_broken() {
        let request = [&[0, 1, 0, 4][..], &[7; 16], &[1, 2, 3, 4]].concat();
        let channel = [&[0x40, 1, 0, 5][..], b"hello", &[0; 3]].concat();
        let stream = [request.clone(), channel.clone(), request.clone()].concat();
        for at in 0..stream.len() {
            let mut messages = Vec::new();
            let mut read = Vec::new();
            for part in [&stream[..at], &stream[at..]] {
                read.extend_from_slice(part);
                let mut rest = read.as_slice();
                while let Some((message, after)) = cut(rest).unwrap() {
                    messages.push(message.to_vec());
                    rest = after;
                }
                read = rest.to_vec();
            }
            assert_eq!(
                messages,
                [request.clone(), channel[..9].to_vec(), request.clone()],
                "{at}"
            );
        }
    }

    #[test]
    fn what_is_no_message_or_too_long_ends_a_stream() {
        for bytes in [
            &[0x80, 0, 0, 0][..],
            &[0xff; 8],
            &[0, 1, 0xff, 0],
            &[0x40, 0, 0xff, 0xff],
        ] {
            assert!(cut(bytes).is_err(), "{bytes:?}");
        }
    }
}
