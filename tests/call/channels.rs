//! Data channels between participants, through the server.

use testkit::Participant;

use super::stage::Stage;

const PROTOCOL: &str = "enfilade.data.v1";

async fn with_channel(stage: &Stage, id: &str) -> Participant {
    let mut person = stage.join(id).await;
    person.endpoint.open_channel("game", PROTOCOL, true, None).unwrap();
    person
        .endpoint
        .open_channel("cursor", PROTOCOL, false, Some(0))
        .unwrap();
    person.negotiate().await.unwrap();
    person.endpoint.channel_open("game").await.unwrap();
    person.endpoint.channel_open("cursor").await.unwrap();
    person
}

fn message(name: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends until it arrives: the server learns of a channel a moment after its owner does.
async fn reaches(from: &Participant, to: &Participant, label: &str) {
    for _ in 0..500 {
        from.endpoint
            .send_on_channel(label, &message("", b"hello?"), false)
            .unwrap();
        if to
            .endpoint
            .channel_messages()
            .iter()
            .any(|message| message.label == label)
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("nothing comes through {label} from {} to {}", from.id, to.id);
}

#[tokio::test]
async fn text_bytes_and_long_messages_go_to_all_or_to_one() {
    let stage = Stage::set().await;
    let ann = with_channel(&stage, "ann").await;
    let bob = with_channel(&stage, "bob").await;
    let carol = with_channel(&stage, "carol").await;
    reaches(&ann, &bob, "game").await;
    reaches(&ann, &carol, "game").await;
    reaches(&bob, &ann, "game").await;
    reaches(&ann, &bob, "cursor").await;

    let long: Vec<u8> = (0..50_000_u32).map(|n| (n * 7) as u8).collect();
    ann.endpoint
        .send_on_channel("game", &message("", b"to all"), false)
        .unwrap();
    ann.endpoint
        .send_on_channel("game", &message("", "grüß".as_bytes()), true)
        .unwrap();
    ann.endpoint
        .send_on_channel("game", &message("", &long), false)
        .unwrap();
    ann.endpoint
        .send_on_channel("game", &message("carol", b"for you"), false)
        .unwrap();
    for (person, gets_private) in [(&bob, false), (&carol, true)] {
        // The envelope is binary, whatever it was sent as.
        let is = |payload: &[u8]| {
            let wanted = message("ann", payload);
            move |got: &testkit::endpoint::ChannelMessage| !got.text && got.data == wanted
        };
        person.endpoint.channel_message("bytes", is(b"to all")).await.unwrap();
        person
            .endpoint
            .channel_message("text", is("grüß".as_bytes()))
            .await
            .unwrap();
        person.endpoint.channel_message("50 kB", is(&long)).await.unwrap();
        if gets_private {
            person
                .endpoint
                .channel_message("private", is(b"for you"))
                .await
                .unwrap();
        }
    }
    // A later message to all shows that the private one is not still on its way to bob.
    ann.endpoint
        .send_on_channel("game", &message("", b"last"), false)
        .unwrap();
    bob.endpoint
        .channel_message("last", |got| got.data.ends_with(b"last"))
        .await
        .unwrap();
    assert!(
        !bob.endpoint
            .channel_messages()
            .iter()
            .any(|got| got.data.ends_with(b"for you"))
    );
    assert!(
        !ann.endpoint
            .channel_messages()
            .iter()
            .any(|got| got.data.ends_with(b"to all")),
        "an echo"
    );
}

#[tokio::test]
async fn messages_of_a_reliable_channel_come_in_order() {
    let stage = Stage::set().await;
    let ann = with_channel(&stage, "ann").await;
    let bob = with_channel(&stage, "bob").await;
    reaches(&ann, &bob, "game").await;
    for number in 0..200_u32 {
        ann.endpoint
            .send_on_channel("game", &message("bob", &number.to_be_bytes()), false)
            .unwrap();
    }
    let last = message("ann", &199_u32.to_be_bytes());
    bob.endpoint
        .channel_message("the last number", |got| got.data == last)
        .await
        .unwrap();
    let numbers: Vec<u32> = bob
        .endpoint
        .channel_messages()
        .iter()
        .filter_map(|got| Some(u32::from_be_bytes(got.data.get(4..8)?.try_into().ok()?)))
        .filter(|number| *number < 200)
        .collect();
    assert_eq!(numbers, (0..199).collect::<Vec<u32>>());
}

#[tokio::test]
async fn a_message_that_is_none_harms_nobody() {
    let stage = Stage::set().await;
    let ann = with_channel(&stage, "ann").await;
    let bob = with_channel(&stage, "bob").await;
    reaches(&ann, &bob, "game").await;
    for bad in [
        &[][..],
        &[200, 1, 2],
        &[3, 0xff, 0xfe, 0xfd, 1],
        &message("nobody", b"x"),
    ] {
        ann.endpoint.send_on_channel("game", bad, false).unwrap();
    }
    ann.endpoint
        .send_on_channel("game", &message("bob", b"still here"), false)
        .unwrap();
    let wanted = message("ann", b"still here");
    bob.endpoint
        .channel_message("the message after", |got| got.data == wanted)
        .await
        .unwrap();
}
