//! What is issued here, and what others issue.

use super::*;

#[test]
fn what_is_issued_is_what_is_verified() {
    let request = TokenRequest {
        room: Some(RoomId::new("standup").unwrap()),
        participant: Some(ParticipantId::new("ada").unwrap()),
        permissions: Permissions::from_words(["allow_join", "allow_mod"]),
        ttl: Duration::from_secs(60),
        token_id: Some("t-1".to_owned()),
        rest_only: false,
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
        issued_at: Some(now().duration_since(UNIX_EPOCH).unwrap().as_secs()),
        one_shot: false,
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
        token_id: Some("t".repeat(TOKEN_BYTES_MAX)),
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
        (
            grant.room.as_ref().map(RoomId::as_str),
            grant.participant.as_ref().map(ParticipantId::as_str)
        ),
        (Some("caf\u{e9}"), Some("ada"))
    );
    assert!(grant.permissions.allow_join && grant.permissions.allow_mod && !grant.permissions.ask_join);
}
