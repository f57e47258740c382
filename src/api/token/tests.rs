//! A table of tokens and the refusal each must meet (or none), after `RFC 8725` and the attacks known from practice.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

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

fn code(token: &str) -> &'static str {
    keyring()
        .verify(token, now())
        .map_or_else(TokenError::code, |_| "accepted")
}

fn check(table: &[(&str, String, &str)]) {
    let names: BTreeSet<&str> = table.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(names.len(), table.len(), "names are unique");
    for (name, token, expected) in table {
        assert_eq!(code(token), *expected, "{name}");
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
        ("empty", String::new(), "token-missing"),
        ("one megabyte", "a".repeat(1 << 20), "token-too-large"),
        (
            "one megabyte, rightly signed",
            claims(&format!(r#""pad":"{}""#, "a".repeat(1 << 20))),
            "token-too-large",
        ),
        (
            "8 KiB and one byte",
            format!("{good}{}", "A".repeat(TOKEN_LEN_MAX + 1 - good.len())),
            "token-too-large",
        ),
        ("a space", " ".to_owned(), "token-malformed"),
        ("no dot", "abc".to_owned(), "token-malformed"),
        ("one dot", format!("{h}.{p}"), "token-malformed"),
        ("only dots", "..".to_owned(), "token-malformed"),
        ("four parts", format!("{good}.{s}"), "token-malformed"),
        (
            "five parts, as of JWE",
            format!("{h}.{p}.{s}.{p}.{s}"),
            "token-malformed",
        ),
        ("empty header", format!(".{p}.{s}"), "token-malformed"),
        ("empty payload", format!("{h}..{s}"), "token-malformed"),
        ("empty signature", format!("{h}.{p}."), "token-wrong-signature"),
        (
            "signature cut to half",
            format!("{h}.{p}.{}", &s[..22]),
            "token-wrong-signature",
        ),
        (
            "signature with a bit flipped",
            format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode(flipped)),
            "token-wrong-signature",
        ),
        (
            "signature with idle bits set",
            String::from_utf8(last_bits).unwrap(),
            "token-wrong-signature",
        ),
        (
            "signature twice as long",
            format!("{h}.{p}.{s}{s}"),
            "token-wrong-signature",
        ),
        (
            "signature of zeros",
            format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode([0; 32])),
            "token-wrong-signature",
        ),
        (
            "signature is not base64",
            format!("{h}.{p}.!!!!"),
            "token-wrong-signature",
        ),
        ("payload is not base64", format!("{h}.!!!!.{s}"), "token-malformed"),
        ("header is not base64", format!("!!!!.{p}.{s}"), "token-malformed"),
        (
            "padded base64",
            format!("{}.{p}.{s}", URL_SAFE.encode(r#"{"alg":"HS256" }"#)),
            "token-malformed",
        ),
        (
            "standard base64",
            format!("{h}.{}.{s}", STANDARD.encode(r#"{"a":"???>>>"}"#)),
            "token-malformed",
        ),
        ("line break in it", format!("{h}.\n{p}.{s}"), "token-malformed"),
        ("Bearer before it", format!("Bearer {good}"), "token-malformed"),
        ("space behind it", format!("{good} "), "token-wrong-signature"),
        ("NUL behind it", format!("{good}\0"), "token-wrong-signature"),
        ("not ASCII", format!("{h}.{p}.ß"), "token-wrong-signature"),
        (
            "header of another token",
            format!("{}.{p}.{s}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#)),
            "token-wrong-signature",
        ),
        (
            "payload of another token",
            format!("{h}.{}.{s}", URL_SAFE_NO_PAD.encode(payload(r#""roomId":"x""#))),
            "token-wrong-signature",
        ),
        (
            "payload is an array",
            signed(HEADER, r#"["one",["allow_join"],2,null,null,null,1800000000]"#),
            "token-malformed",
        ),
        ("payload is text", signed(HEADER, r#""one""#), "token-malformed"),
        ("payload is null", signed(HEADER, "null"), "token-malformed"),
        (
            "payload is cut off",
            signed(HEADER, r#"{"apikey":"one""#),
            "token-malformed",
        ),
        (
            "payload with something behind",
            signed(HEADER, &format!("{}x", payload(""))),
            "token-malformed",
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
            "token-malformed",
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
        (
            "another typ",
            header(r#"{"alg":"HS256","typ":"at+jwt"}"#),
            "token-malformed",
        ),
        ("no alg", header(r#"{"typ":"JWT"}"#), "token-malformed"),
        ("alg null", header(r#"{"alg":null}"#), "token-malformed"),
        ("alg a list", header(r#"{"alg":["HS256"]}"#), "token-malformed"),
        (
            "alg twice",
            header(r#"{"alg":"none","alg":"HS256"}"#),
            "token-malformed",
        ),
        ("alg none", header(r#"{"alg":"none"}"#), "token-wrong-algorithm"),
        ("alg None", header(r#"{"alg":"None"}"#), "token-wrong-algorithm"),
        ("alg nOnE", header(r#"{"alg":"nOnE"}"#), "token-wrong-algorithm"),
        ("alg empty", header(r#"{"alg":""}"#), "token-wrong-algorithm"),
        (
            "alg in lower case",
            header(r#"{"alg":"hs256"}"#),
            "token-wrong-algorithm",
        ),
        (
            "alg with a space",
            header(r#"{"alg":"HS256 "}"#),
            "token-wrong-algorithm",
        ),
        (
            "RS256 with an HMAC behind it",
            header(r#"{"alg":"RS256"}"#),
            "token-wrong-algorithm",
        ),
        (
            "ES256 with an HMAC behind it",
            header(r#"{"alg":"ES256"}"#),
            "token-wrong-algorithm",
        ),
        ("EdDSA", header(r#"{"alg":"EdDSA"}"#), "token-wrong-algorithm"),
        ("PS256", header(r#"{"alg":"PS256"}"#), "token-wrong-algorithm"),
        (
            "HS384",
            sign_with(hmac::HMAC_SHA384, SECRET.as_bytes(), r#"{"alg":"HS384"}"#, &payload("")),
            "token-wrong-algorithm",
        ),
        (
            "HS512",
            sign_with(hmac::HMAC_SHA512, SECRET.as_bytes(), r#"{"alg":"HS512"}"#, &payload("")),
            "token-wrong-algorithm",
        ),
        (
            "HS512 called HS256",
            sign_with(hmac::HMAC_SHA512, SECRET.as_bytes(), HEADER, &payload("")),
            "token-wrong-signature",
        ),
        (
            "crit unknown",
            header(r#"{"alg":"HS256","crit":["x"],"x":1}"#),
            "token-critical-header",
        ),
        (
            "crit b64",
            header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#),
            "token-critical-header",
        ),
        (
            "crit empty",
            header(r#"{"alg":"HS256","crit":[]}"#),
            "token-critical-header",
        ),
        (
            "crit null",
            header(r#"{"alg":"HS256","crit":null}"#),
            "token-critical-header",
        ),
    ]);
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(payload(""))
    );
    assert_eq!(code(&unsigned), "token-wrong-algorithm");
}

#[test]
fn keys() {
    let by = |secret: &str, changes: &str| sign_with(hmac::HMAC_SHA256, secret.as_bytes(), HEADER, &payload(changes));
    check(&[
        ("second key", by(OTHER_SECRET, r#""apikey":"two""#), "accepted"),
        (
            "key one by the secret of two",
            by(OTHER_SECRET, ""),
            "token-wrong-signature",
        ),
        (
            "key two by the secret of one",
            by(SECRET, r#""apikey":"two""#),
            "token-wrong-signature",
        ),
        ("no secret", by("", ""), "token-wrong-signature"),
        ("a prefix of the secret", by(&SECRET[..16], ""), "token-wrong-signature"),
        (
            "the secret and more",
            by(&format!("{SECRET}x"), ""),
            "token-wrong-signature",
        ),
        ("unknown key", by(SECRET, r#""apikey":"three""#), "token-unknown-key"),
        ("empty key", by(SECRET, r#""apikey":"""#), "token-unknown-key"),
        (
            "key in other case",
            by(SECRET, r#""apikey":"One""#),
            "token-unknown-key",
        ),
        ("key null", by(SECRET, r#""apikey":null"#), "token-malformed"),
        ("key a number", by(SECRET, r#""apikey":1"#), "token-malformed"),
        (
            "no key",
            signed(HEADER, r#"{"permissions":["allow_join"],"exp":1800000000}"#),
            "token-malformed",
        ),
        (
            "key twice",
            signed(
                HEADER,
                r#"{"apikey":"two","apikey":"one","permissions":["allow_join"],"exp":1800000000}"#,
            ),
            "token-malformed",
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
        ("ended 30 s ago", at("exp", -30), "token-expired"),
        ("ended a day ago", at("exp", -86_400), "token-expired"),
        ("ended in 1970", claims(r#""exp":0"#), "token-expired"),
        ("ends far away", claims(r#""exp":9999999999"#), "accepted"),
        (
            "ends beyond all clocks",
            claims(r#""exp":18446744073709551615"#),
            "token-malformed",
        ),
        ("ends at a fraction", claims(r#""exp":1700000000.9"#), "accepted"),
        ("ends at a negative time", claims(r#""exp":-1"#), "token-malformed"),
        (
            "ends at infinity",
            signed(HEADER, r#"{"apikey":"one","permissions":["allow_join"],"exp":1e999}"#),
            "token-malformed",
        ),
        ("end as text", claims(r#""exp":"1800000000""#), "token-malformed"),
        ("end null", claims(r#""exp":null"#), "token-malformed"),
        (
            "no end",
            signed(HEADER, r#"{"apikey":"one","permissions":["allow_join"]}"#),
            "token-malformed",
        ),
        (
            "end twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["allow_join"],"exp":1,"exp":1800000000}"#,
            ),
            "token-malformed",
        ),
        ("begins now", at("nbf", 0), "accepted"),
        ("begins in 30 s", at("nbf", 30), "accepted"),
        ("begins in 31 s", at("nbf", 31), "token-not-yet-valid"),
        ("begin as text", claims(r#""nbf":"0""#), "token-malformed"),
        ("issued in 30 s", at("iat", 30), "accepted"),
        ("issued in 31 s", at("iat", 31), "token-not-yet-valid"),
        ("issued long ago", at("iat", -1_000_000), "accepted"),
        ("issued true", claims(r#""iat":true"#), "token-malformed"),
        (
            "begins beyond all clocks",
            claims(r#""nbf":18446744073709551615"#),
            "token-not-yet-valid",
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
        ("none", claims(r#""permissions":[]"#), "token-invalid-permissions"),
        (
            "only an unknown word",
            claims(r#""permissions":["allow_jion"]"#),
            "token-invalid-permissions",
        ),
        (
            "word in other case",
            claims(r#""permissions":["Allow_Join"]"#),
            "token-invalid-permissions",
        ),
        (
            "ask and join",
            claims(r#""permissions":["ask_join","allow_join"]"#),
            "token-invalid-permissions",
        ),
        (
            "ask and mod",
            claims(r#""permissions":["allow_mod","ask_join"]"#),
            "token-invalid-permissions",
        ),
        (
            "all three",
            claims(r#""permissions":["allow_join","ask_join","allow_mod"]"#),
            "token-invalid-permissions",
        ),
        (
            "permissions as text",
            claims(r#""permissions":"allow_join""#),
            "token-malformed",
        ),
        ("permissions null", claims(r#""permissions":null"#), "token-malformed"),
        (
            "permissions of numbers",
            claims(r#""permissions":[1]"#),
            "token-malformed",
        ),
        (
            "no permissions",
            signed(HEADER, r#"{"apikey":"one","exp":1800000000}"#),
            "token-malformed",
        ),
        (
            "permissions twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["ask_join"],"permissions":["allow_mod"],"exp":1800000000}"#,
            ),
            "token-malformed",
        ),
        ("version 1", claims(r#""version":1"#), "accepted"),
        ("no version", claims(r#""version":null"#), "accepted"),
        ("version 3", claims(r#""version":3"#), "token-wrong-version"),
        ("version 0", claims(r#""version":0"#), "token-wrong-version"),
        ("version as text", claims(r#""version":"2""#), "token-malformed"),
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
        ("room empty", claims(r#""roomId":"""#), "token-malformed"),
        ("room with a space", claims(r#""roomId":"a b""#), "token-malformed"),
        ("room with NUL", claims(r#""roomId":"a\u0000""#), "token-malformed"),
        ("room a list", claims(r#""roomId":["r"]"#), "token-malformed"),
        (
            "room of 128 bytes",
            claims(&format!(r#""roomId":"{}""#, "r".repeat(128))),
            "accepted",
        ),
        (
            "room of 129 bytes",
            claims(&format!(r#""roomId":"{}""#, "r".repeat(129))),
            "token-malformed",
        ),
        (
            "participant with a line break",
            claims(r#""participantId":"a\nb""#),
            "token-malformed",
        ),
        (
            "participant a number",
            claims(r#""participantId":7"#),
            "token-malformed",
        ),
        (
            "room twice",
            signed(
                HEADER,
                r#"{"apikey":"one","permissions":["allow_join"],"exp":1800000000,"roomId":"a","roomId":"b"}"#,
            ),
            "token-malformed",
        ),
        ("roles as text", claims(r#""roles":"rtc""#), "token-malformed"),
    ]);
}

#[test]
fn joining_is_bound_to_role_room_and_participant() {
    let join = |changes: &str, room: &str, participant: &str| {
        let grant = keyring().verify(&claims(changes), now()).unwrap();
        grant
            .check_join(room, participant)
            .map_err(|refusal| (refusal.number(), refusal.status()))
    };
    assert_eq!(join("", "any", "body"), Ok(()));
    assert_eq!(join(r#""roomId":"r""#, "r", "body"), Ok(()));
    assert_eq!(join(r#""roomId":"r""#, "R", "body"), Err((4022, 403)));
    assert_eq!(join(r#""roomId":"r""#, "r2", "body"), Err((4022, 403)));
    assert_eq!(join(r#""roomId":"r""#, "", "body"), Err((4022, 403)));
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
fn what_is_issued_is_what_is_verified() {
    let request = TokenRequest {
        room: Some("standup".to_owned()),
        participant: Some("ada".to_owned()),
        permissions: Permissions::from_words(["allow_join", "allow_mod"]),
        ttl: Duration::from_secs(60),
        token_id: Some("t-1".to_owned()),
    };
    let token = issue(&key("two", OTHER_SECRET), &request, now()).unwrap();
    let grant = keyring().verify(&token, now()).unwrap();
    let expected = Grant {
        key_id: "two".to_owned(),
        room: request.room.clone(),
        participant: request.participant.clone(),
        permissions: request.permissions,
        may_join: true,
        may_call_rest: true,
        expires_at: now() + Duration::from_secs(60),
        token_id: request.token_id.clone(),
    };
    assert_eq!(grant, expected);
    assert_eq!(
        keyring().verify(&token, now() + Duration::from_secs(90)),
        Err(TokenError::Expired)
    );
    let none = TokenRequest {
        permissions: Permissions::default(),
        ..request.clone()
    };
    assert_eq!(
        issue(&key("two", OTHER_SECRET), &none, now()),
        Err(TokenError::InvalidPermissions)
    );
    let long = TokenRequest {
        room: Some("r".repeat(TOKEN_LEN_MAX)),
        ..request
    };
    assert_eq!(
        issue(&key("two", OTHER_SECRET), &long, now()),
        Err(TokenError::TooLarge)
    );
}

/// Made by another implementation (Python's hmac and json modules), so that issuer and verifier cannot err together.
#[test]
fn a_token_of_another_implementation() {
    let token = concat!(
        "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.",
        "eyJhcGlrZXkiOiAib25lIiwgInBlcm1pc3Npb25zIjogWyJhbGxvd19qb2luIiwgImFsbG93X21vZCJdLCAidmVyc2",
        "lvbiI6IDIsICJyb29tSWQiOiAiY2FmXHUwMGU5IiwgInBhcnRpY2lwYW50SWQiOiAiYWRhIiwgImlhdCI6IDE3MDAw",
        "MDAwMDAsICJleHAiOiAxNzAwMDAzNjAwfQ.",
        "UB2WrvPxnXpbUNhDHIL4trpXKfp_FCOcbVEQAtiXC7A"
    );
    let grant = keyring().verify(token, now()).unwrap();
    assert_eq!(
        (grant.room.as_deref(), grant.participant.as_deref()),
        (Some("caf\u{e9}"), Some("ada"))
    );
    assert!(grant.permissions.allow_join && grant.permissions.allow_mod && !grant.permissions.ask_join);
}

#[test]
fn codes_are_kebab_case_and_sentences_are_sentences() {
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
    ];
    let codes: BTreeSet<&str> = all.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), all.len());
    assert!(
        codes
            .iter()
            .all(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
    );
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
        prop_assert_ne!(code(&token), "accepted");
    }

    #[test]
    fn any_payload_is_answered(payload in any::<Vec<u8>>()) {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(payload));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
        prop_assert_ne!(code(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))), "accepted");
    }

    #[test]
    fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let good = claims(r#""roomId":"r""#);
        let mut bytes = good.clone().into_bytes();
        bytes[at.index(good.len())] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(changed == good || code(&changed) != "accepted");
        }
    }
}
