//! A table of tokens and the refusal each must meet (or none), after `RFC 8725` and the attacks known from practice.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

mod issued;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a-secret-for-the-tests-0123456789";
const OTHER_SECRET: &str = "another-secret-for-the-tests-0123456789";
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn key(id: &str, secret: &str) -> Key {
    Key {
        id: id.to_owned(),
        secret: Secret::new(secret),
    }
}

fn keyring() -> Keyring {
    Keyring::new(&[key("one", SECRET), key("two", OTHER_SECRET)])
}

fn sign_with(algorithm: hmac::Algorithm, secret: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

fn signed(header: &str, payload: &str) -> String {
    sign_with(hmac::HMAC_SHA256, SECRET.as_bytes(), header, payload)
}

/// A lawful payload with further members, or with members of the same name replaced.
fn payload(changes: &str) -> String {
    let mut claims =
        serde_json::json!({"apikey": "one", "permissions": ["allow_join"], "version": 2, "exp": NOW + 3600});
    let changes: serde_json::Value = serde_json::from_str(&format!("{{{changes}}}")).unwrap();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.to_string()
}

/// A rightly signed token with changed claims.
fn claims(changes: &str) -> String {
    signed(HEADER, &payload(changes))
}

/// A rightly signed token with changed header.
fn header(header: &str) -> String {
    signed(header, &payload(""))
}

/// The name of the refusal, without what is in its parentheses.
fn verdict(token: &str) -> String {
    match keyring().verify(token, now()) {
        Ok(_) => "accepted".to_owned(),
        Err(refusal) => format!("{refusal:?}").split('(').next().unwrap().to_owned(),
    }
}

fn check(table: &[(&str, String, &str)]) {
    let names: BTreeSet<&str> = table.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(names.len(), table.len(), "names are unique");
    for (name, token, expected) in table {
        assert_eq!(verdict(token), *expected, "{name}");
    }
}

#[test]
fn forms() {
    let good = claims("");
    let parts: Vec<&str> = good.split('.').collect();
    let (h, p, s) = (parts[0], parts[1], parts[2]);
    let mut flipped = URL_SAFE_NO_PAD.decode(s).unwrap();
    flipped[31] ^= 1;
    let mut last_bits = good.clone().into_bytes();
    // 32 bytes end in a character of which two bits mean nothing: another writing of the same signature.
    let last = last_bits.last_mut().unwrap();
    *last = if *last == b'9' { b'8' } else { *last + 1 };
    check(&[
        ("lawful", good.clone(), "accepted"),
        ("empty", String::new(), "Missing"),
        ("one megabyte", "a".repeat(1 << 20), "TooLarge"),
        (
            "one megabyte, rightly signed",
            claims(&format!(r#""pad":"{}""#, "a".repeat(1 << 20))),
            "TooLarge",
        ),
        (
            "8 KiB and one byte",
            format!("{good}{}", "A".repeat(TOKEN_BYTES_MAX + 1 - good.len())),
            "TooLarge",
        ),
        ("a space", " ".to_owned(), "Malformed"),
        ("no dot", "abc".to_owned(), "Malformed"),
        ("one dot", format!("{h}.{p}"), "Malformed"),
        ("only dots", "..".to_owned(), "Malformed"),
        ("four parts", format!("{good}.{s}"), "Malformed"),
        ("five parts, as of JWE", format!("{h}.{p}.{s}.{p}.{s}"), "Malformed"),
        ("empty header", format!(".{p}.{s}"), "Malformed"),
        ("empty payload", format!("{h}..{s}"), "Malformed"),
        ("empty signature", format!("{h}.{p}."), "WrongSignature"),
        (
            "signature cut to half",
            format!("{h}.{p}.{}", &s[..22]),
            "WrongSignature",
        ),
        (
            "signature with a bit flipped",
            format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode(flipped)),
            "WrongSignature",
        ),
        (
            "signature with idle bits set",
            String::from_utf8(last_bits).unwrap(),
            "WrongSignature",
        ),
        ("signature twice as long", format!("{h}.{p}.{s}{s}"), "WrongSignature"),
        (
            "signature of zeros",
            format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
            "WrongSignature",
        ),
        ("signature is not base64", format!("{h}.{p}.!!!!"), "WrongSignature"),
        ("payload is not base64", format!("{h}.!!!!.{s}"), "Malformed"),
        ("header is not base64", format!("!!!!.{p}.{s}"), "Malformed"),
        (
            "padded base64",
            format!("{}.{p}.{s}", URL_SAFE.encode(r#"{"alg":"HS256" }"#)),
            "Malformed",
        ),
        (
            "standard base64",
            format!("{h}.{}.{s}", STANDARD.encode(r#"{"a":"???>>>"}"#)),
            "Malformed",
        ),
        ("line break in it", format!("{h}.\n{p}.{s}"), "Malformed"),
        ("Bearer before it", format!("Bearer {good}"), "Malformed"),
        ("space behind it", format!("{good} "), "WrongSignature"),
        ("NUL behind it", format!("{good}\0"), "WrongSignature"),
        ("not ASCII", format!("{h}.{p}.ß"), "WrongSignature"),
        (
            "header of another token",
            format!("{}.{p}.{s}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#)),
            "WrongSignature",
        ),
        (
            "payload of another token",
            format!("{h}.{}.{s}", URL_SAFE_NO_PAD.encode(payload(r#""roomId":"x""#))),
            "WrongSignature",
        ),
        (
            "payload is an array",
            signed(HEADER, r#"["one",["allow_join"],2,null,null,null,1800000000]"#),
            "Malformed",
        ),
        ("payload is text", signed(HEADER, r#""one""#), "Malformed"),
        ("payload is null", signed(HEADER, "null"), "Malformed"),
        ("payload is cut off", signed(HEADER, r#"{"apikey":"one""#), "Malformed"),
        (
            "payload with something behind",
            signed(HEADER, &format!("{}x", payload(""))),
            "Malformed",
        ),
        (
            "payload 100 deep",
            claims(&format!(r#""deep":{}{}"#, "[".repeat(100), "]".repeat(100))),
            "accepted",
        ),
        (
            "payload too deep",
            signed(
                HEADER,
                &format!(r#"{{"deep":{}{}}}"#, "[".repeat(2000), "]".repeat(2000)),
            ),
            "Malformed",
        ),
    ]);
}

#[test]
fn headers() {
    check(&[
        ("no typ", header(r#"{"alg":"HS256"}"#), "accepted"),
        (
            "typ in lower case",
            header(r#"{"alg":"HS256","typ":"jwt"}"#),
            "accepted",
        ),
        (
            "kid, which is ignored",
            header(r#"{"alg":"HS256","kid":"../../dev/null"}"#),
            "accepted",
        ),
        (
            "kid of SQL",
            header(r#"{"alg":"HS256","kid":"' or 1=1 --"}"#),
            "accepted",
        ),
        (
            "jwk of the attacker",
            header(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#),
            "accepted",
        ),
        ("another typ", header(r#"{"alg":"HS256","typ":"at+jwt"}"#), "Malformed"),
        ("no alg", header(r#"{"typ":"JWT"}"#), "Malformed"),
        ("alg null", header(r#"{"alg":null}"#), "Malformed"),
        ("alg a list", header(r#"{"alg":["HS256"]}"#), "Malformed"),
        ("alg twice", header(r#"{"alg":"none","alg":"HS256"}"#), "Malformed"),
        ("alg none", header(r#"{"alg":"none"}"#), "WrongAlgorithm"),
        ("alg None", header(r#"{"alg":"None"}"#), "WrongAlgorithm"),
        ("alg nOnE", header(r#"{"alg":"nOnE"}"#), "WrongAlgorithm"),
        ("alg empty", header(r#"{"alg":""}"#), "WrongAlgorithm"),
        ("alg in lower case", header(r#"{"alg":"hs256"}"#), "WrongAlgorithm"),
        ("alg with a space", header(r#"{"alg":"HS256 "}"#), "WrongAlgorithm"),
        (
            "RS256 with an HMAC behind it",
            header(r#"{"alg":"RS256"}"#),
            "WrongAlgorithm",
        ),
        (
            "ES256 with an HMAC behind it",
            header(r#"{"alg":"ES256"}"#),
            "WrongAlgorithm",
        ),
        ("EdDSA", header(r#"{"alg":"EdDSA"}"#), "WrongAlgorithm"),
        ("PS256", header(r#"{"alg":"PS256"}"#), "WrongAlgorithm"),
        (
            "HS384",
            sign_with(hmac::HMAC_SHA384, SECRET.as_bytes(), r#"{"alg":"HS384"}"#, &payload("")),
            "WrongAlgorithm",
        ),
        (
            "HS512",
            sign_with(hmac::HMAC_SHA512, SECRET.as_bytes(), r#"{"alg":"HS512"}"#, &payload("")),
            "WrongAlgorithm",
        ),
        (
            "HS512 called HS256",
            sign_with(hmac::HMAC_SHA512, SECRET.as_bytes(), HEADER, &payload("")),
            "WrongSignature",
        ),
        (
            "crit unknown",
            header(r#"{"alg":"HS256","crit":["x"],"x":1}"#),
            "CriticalHeader",
        ),
        (
            "crit b64",
            header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
            "CriticalHeader",
        ),
        ("crit empty", header(r#"{"alg":"HS256","crit":[]}"#), "CriticalHeader"),
        ("crit null", header(r#"{"alg":"HS256","crit":null}"#), "CriticalHeader"),
    ]);
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(payload(""))
    );
    assert_eq!(verdict(&unsigned), "WrongAlgorithm");
}

#[test]
fn keys() {
    let by = |secret: &str, changes: &str| sign_with(hmac::HMAC_SHA256, secret.as_bytes(), HEADER, &payload(changes));
    check(&[
        ("second key", by(OTHER_SECRET, r#""apikey":"two""#), "accepted"),
        ("key one by the secret of two", by(OTHER_SECRET, ""), "WrongSignature"),
        (
            "key two by the secret of one",
            by(SECRET, r#""apikey":"two""#),
            "WrongSignature",
        ),
        ("no secret", by("", ""), "WrongSignature"),
        ("a prefix of the secret", by(&SECRET[..16], ""), "WrongSignature"),
        ("the secret and more", by(&format!("{SECRET}x"), ""), "WrongSignature"),
        ("unknown key", by(SECRET, r#""apikey":"three""#), "UnknownKey"),
        ("empty key", by(SECRET, r#""apikey":"""#), "UnknownKey"),
        ("key in other case", by(SECRET, r#""apikey":"One""#), "UnknownKey"),
        ("key null", by(SECRET, r#""apikey":null"#), "Malformed"),
        ("key a number", by(SECRET, r#""apikey":1"#), "Malformed"),
        (
            "no key",
            signed(HEADER, r#"{"permissions":["allow_join"],"exp":1800000000}"#),
            "Malformed",
        ),
        (
            "key twice",
            signed(
                HEADER,
                r#"{"apikey":"two","apikey":"one","permissions":["allow_join"],"exp":1800000000}"#,
            ),
            "Malformed",
        ),
    ]);
}

#[test]
fn times() {
    let at = |name: &str, offset: i64| claims(&format!(r#""{name}":{}"#, NOW as i64 + offset));
    check(&[
        ("ends in a second", at("exp", 1), "accepted"),
        ("ended now, within the leeway", at("exp", 0), "accepted"),
        ("ended 29 s ago", at("exp", -29), "accepted"),
        ("ended 30 s ago", at("exp", -30), "Expired"),
        ("ended a day ago", at("exp", -86_400), "Expired"),
        ("ended in 1970", claims(r#""exp":0"#), "Expired"),
        ("ends far away", claims(r#""exp":9999999999"#), "accepted"),
        (
            "ends beyond all clocks",
            claims(r#""exp":18446744073709551615"#),
            "Malformed",
        ),
        ("ends at a fraction", claims(r#""exp":1700000000.9"#), "accepted"),
        ("ends at a negative time", claims(r#""exp":-1"#), "Malformed"),
        (
            "ends at infinity",
            signed(HEADER, r#"{"apikey":"one","permissions":["allow_join"],"exp":1e999}"#),
            "Malformed",
        ),
        ("end as text", claims(r#""exp":"1800000000""#), "Malformed"),
        ("end null", claims(r#""exp":null"#), "Malformed"),
        (
            "no end",
            signed(HEADER, r#"{"apikey":"one","permissions":["allow_join"]}"#),
            "Malformed",
        ),
        (
            "end twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["allow_join"],"exp":1,"exp":1800000000}"#,
            ),
            "Malformed",
        ),
        ("begins now", at("nbf", 0), "accepted"),
        ("begins in 30 s", at("nbf", 30), "accepted"),
        ("begins in 31 s", at("nbf", 31), "NotYetValid"),
        ("begin as text", claims(r#""nbf":"0""#), "Malformed"),
        ("issued in 30 s", at("iat", 30), "accepted"),
        ("issued in 31 s", at("iat", 31), "NotYetValid"),
        ("issued long ago", at("iat", -1_000_000), "accepted"),
        ("issued true", claims(r#""iat":true"#), "Malformed"),
        (
            "begins beyond all clocks",
            claims(r#""nbf":18446744073709551615"#),
            "NotYetValid",
        ),
    ]);
}

#[test]
fn grants() {
    check(&[
        ("allow_join", claims(r#""permissions":["allow_join"]"#), "accepted"),
        ("ask_join", claims(r#""permissions":["ask_join"]"#), "accepted"),
        ("allow_mod", claims(r#""permissions":["allow_mod"]"#), "accepted"),
        (
            "allow both",
            claims(r#""permissions":["allow_join","allow_mod"]"#),
            "accepted",
        ),
        (
            "a word twice",
            claims(r#""permissions":["allow_join","allow_join"]"#),
            "accepted",
        ),
        (
            "an unknown word beside",
            claims(r#""permissions":["allow_join","fly"]"#),
            "accepted",
        ),
        ("none", claims(r#""permissions":[]"#), "InvalidPermissions"),
        (
            "only an unknown word",
            claims(r#""permissions":["allow_jion"]"#),
            "InvalidPermissions",
        ),
        (
            "word in other case",
            claims(r#""permissions":["Allow_Join"]"#),
            "InvalidPermissions",
        ),
        (
            "ask and join",
            claims(r#""permissions":["ask_join","allow_join"]"#),
            "InvalidPermissions",
        ),
        (
            "ask and mod",
            claims(r#""permissions":["allow_mod","ask_join"]"#),
            "InvalidPermissions",
        ),
        (
            "all three",
            claims(r#""permissions":["allow_join","ask_join","allow_mod"]"#),
            "InvalidPermissions",
        ),
        (
            "permissions as text",
            claims(r#""permissions":"allow_join""#),
            "Malformed",
        ),
        ("permissions null", claims(r#""permissions":null"#), "Malformed"),
        ("permissions of numbers", claims(r#""permissions":[1]"#), "Malformed"),
        (
            "no permissions",
            signed(HEADER, r#"{"apikey":"one","exp":1800000000}"#),
            "Malformed",
        ),
        (
            "permissions twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["ask_join"],"permissions":["allow_mod"],"exp":1800000000}"#,
            ),
            "Malformed",
        ),
        ("version 1", claims(r#""version":1"#), "accepted"),
        ("no version", claims(r#""version":null"#), "accepted"),
        ("version 3", claims(r#""version":3"#), "WrongVersion"),
        ("version 0", claims(r#""version":0"#), "WrongVersion"),
        ("version as text", claims(r#""version":"2""#), "Malformed"),
        (
            "unknown claims",
            claims(r#""sub":"x","aud":["y"],"iss":"z""#),
            "accepted",
        ),
        (
            "room and participant",
            claims(r#""roomId":"r","participantId":"p","jti":"j""#),
            "accepted",
        ),
        ("room empty", claims(r#""roomId":"""#), "Malformed"),
        ("room with a space", claims(r#""roomId":"a b""#), "Malformed"),
        ("room with NUL", claims(r#""roomId":"a\u0000""#), "Malformed"),
        ("room a list", claims(r#""roomId":["r"]"#), "Malformed"),
        (
            "room of 128 bytes",
            claims(&format!(r#""roomId":"{}""#, "r".repeat(128))),
            "accepted",
        ),
        (
            "room of 129 bytes",
            claims(&format!(r#""roomId":"{}""#, "r".repeat(129))),
            "Malformed",
        ),
        (
            "participant with a line break",
            claims(r#""participantId":"a\nb""#),
            "Malformed",
        ),
        ("participant a number", claims(r#""participantId":7"#), "Malformed"),
        (
            "room twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["allow_join"],"exp":1800000000,"roomId":"a","roomId":"b"}"#,
            ),
            "Malformed",
        ),
        ("roles as text", claims(r#""roles":"rtc""#), "Malformed"),
    ]);
}

#[test]
fn joining_is_bound_to_role_room_and_participant() {
    let join = |changes: &str, room: &str, participant: &str| {
        let grant = keyring().verify(&claims(changes), now()).unwrap();
        grant
            .check_join(&RoomId::new(room).unwrap(), &ParticipantId::new(participant).unwrap())
            .map_err(|refusal| (refusal.number(), refusal.status()))
    };
    assert_eq!(join("", "any", "body"), Ok(()));
    assert_eq!(join(r#""roomId":"r""#, "r", "body"), Ok(()));
    assert_eq!(join(r#""roomId":"r""#, "R", "body"), Err((4022, 403)));
    assert_eq!(join(r#""roomId":"r""#, "r2", "body"), Err((4022, 403)));
    assert_eq!(join(r#""participantId":"p""#, "any", "p"), Ok(()));
    assert_eq!(join(r#""participantId":"p""#, "any", "q"), Err((4023, 403)));
    assert_eq!(
        join(r#""version":1,"roomId":"r""#, "x", "p"),
        Err((4022, 403)),
        "binds in every version"
    );
    assert_eq!(join(r#""roles":["rtc"]"#, "any", "body"), Ok(()));
    assert_eq!(join(r#""roles":["crawler","rtc"]"#, "any", "body"), Ok(()));
    assert_eq!(join(r#""roles":["crawler"]"#, "any", "body"), Err((4024, 403)));
    assert_eq!(join(r#""roles":[]"#, "any", "body"), Err((4024, 403)));
}

#[test]
fn codes_are_those_of_the_protocol_and_sentences_are_sentences() {
    let all = [
        TokenError::Missing,
        TokenError::TooLarge,
        TokenError::Malformed("x"),
        TokenError::WrongAlgorithm,
        TokenError::CriticalHeader,
        TokenError::UnknownKey,
        TokenError::WrongSignature,
        TokenError::WrongVersion,
        TokenError::Expired,
        TokenError::NotYetValid,
        TokenError::InvalidPermissions,
        TokenError::WrongRoom,
        TokenError::WrongParticipant,
        TokenError::WrongRole,
        TokenError::Used,
        TokenError::Revoked,
    ];
    let codes: BTreeSet<&str> = all.iter().map(|refusal| refusal.code().as_str()).collect();
    let of_protocol = crate::wire::ErrorCode::ALL.iter().map(|code| code.as_str());
    assert_eq!(codes, of_protocol.filter(|code| code.starts_with("token-")).collect());
    assert!(all.iter().all(|refusal| refusal.to_string().ends_with('.')));
    assert!(all.iter().all(|refusal| (4001..=4024).contains(&refusal.number())));
}

#[test]
fn nothing_shows_a_secret() {
    let shown = format!("{:?} {:?}", key("one", SECRET), keyring());
    assert!(shown.contains("[redacted]") && !shown.contains(SECRET), "{shown}");
    let bytes = format!("{:?}", SECRET.as_bytes());
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_answered(token in any::<String>()) {
        prop_assert_ne!(verdict(&token), "accepted");
    }

    #[test]
    fn any_payload_is_answered(payload in any::<Vec<u8>>()) {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
        prop_assert_ne!(verdict(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))), "accepted");
    }

    #[test]
    fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = claims(r#""roomId":"r""#);
        let mut bytes = good.clone().into_bytes();
        bytes[at.index(good.len())] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(changed == good || verdict(&changed) != "accepted");
        }
    }
}
