//! The bearer token: held, presented, and renewed before its end on the monotonic clock only.

use super::timing::{FRESH_TOKEN_MS, RENEWAL_MARGIN_MS, RENEWAL_SPACING_MS, TOKEN_TIMEOUT_MS};
use crate::Millis;

#[derive(Clone, Debug, Default)]
pub(super) struct Token {
    value: Option<String>,
    given_at: Millis,
    /// Known once the server has announced the remaining lifetime.
    expires_at: Option<Millis>,
    /// When the application is to be asked for the next one.
    renew_at: Option<Millis>,
    /// Whether the server has this one.
    presented: bool,
    /// The server refused the last one, and has welcomed none since.
    refused: bool,
}

impl Token {
    /// The token to use now, if there is one that may still be good.
    pub(super) fn usable(&self, now: Millis) -> Option<&str> {
        self.value.as_deref().filter(|_| self.expires_at.is_none_or(|end| now < end))
    }

    /// Whether the application must not answer from its cache.
    pub(super) fn needs_renewal(&self) -> bool {
        self.refused || self.value.is_some()
    }

    pub(super) fn replace(&mut self, now: Millis, value: Option<String>) {
        *self = Self { value, given_at: now, refused: self.refused, ..Self::default() };
    }

    /// The server has the token. Takes it, to be sent.
    pub(super) fn present(&mut self) -> Option<String> {
        self.presented = true;
        self.value.clone()
    }

    /// Whether there is a token that the server does not have yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.value.is_some() && !self.presented
    }

    /// The server welcomed the token that it was presented last.
    pub(super) fn welcome(&mut self, now: Millis, expires_in_ms: u64) {
        self.refused = false;
        if self.presented {
            let margin = RENEWAL_MARGIN_MS.min(expires_in_ms / 2);
            self.expires_at = Some(now + expires_in_ms.max(RENEWAL_SPACING_MS));
            self.renew_at = Some(now + (expires_in_ms - margin).max(RENEWAL_SPACING_MS));
        }
    }

    /// The server refused the token. Answers whether another may be tried: the first time, and whenever the token
    /// may have ended while it waited for a connection.
    pub(super) fn refuse(&mut self, now: Millis) -> bool {
        let again = !self.refused || now.since(self.given_at) >= FRESH_TOKEN_MS;
        *self = Self { refused: true, ..Self::default() };
        again
    }

    /// Whether the application is to be asked now. If it does not answer it will be asked again.
    pub(super) fn renewal_due(&mut self, now: Millis) -> bool {
        let due = self.renew_at.is_some_and(|at| at <= now);
        if due {
            self.renew_at = Some(now + TOKEN_TIMEOUT_MS);
        }
        due
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Option<Millis> {
        [self.renew_at, self.expires_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_a_minute_before_the_end_and_is_repeated_until_answered() {
        let mut token = Token::default();
        token.replace(Millis(0), Some("a".into()));
        token.present();
        token.welcome(Millis(1000), 3_600_000);
        assert!(!token.renewal_due(Millis(3_540_999)));
        assert!(token.renewal_due(Millis(3_541_000)));
        assert!(!token.renewal_due(Millis(3_541_001)));
        assert!(token.renewal_due(Millis(3_571_000)));
        assert_eq!(token.usable(Millis(3_600_999)), Some("a"));
        assert_eq!(token.usable(Millis(3_601_000)), None);
    }

    #[test]
    fn a_token_that_hardly_lives_is_not_renewed_in_a_hot_loop() {
        let mut token = Token::default();
        token.replace(Millis(0), Some("a".into()));
        token.present();
        token.welcome(Millis(0), 1);
        assert_eq!(token.deadline(), Some(Millis(RENEWAL_SPACING_MS)));
    }

    #[test]
    fn a_second_refusal_without_a_welcome_between_is_final() {
        let mut token = Token::default();
        token.replace(Millis(0), Some("a".into()));
        assert!(token.refuse(Millis(0)));
        token.replace(Millis(0), Some("b".into()));
        assert!(!token.refuse(Millis(0)));
        token.replace(Millis(0), Some("c".into()));
        token.present();
        token.welcome(Millis(0), 1000);
        assert!(token.refuse(Millis(0)));
    }

    #[test]
    fn a_token_that_grew_old_while_it_waited_for_a_connection_is_no_proof_that_nobody_is_signed_in() {
        let mut token = Token::default();
        token.replace(Millis(0), Some("a".into()));
        assert!(token.refuse(Millis(0)));
        token.replace(Millis(0), Some("b".into()));
        assert!(token.refuse(Millis(FRESH_TOKEN_MS)));
        token.replace(Millis(FRESH_TOKEN_MS), Some("c".into()));
        assert!(!token.refuse(Millis(FRESH_TOKEN_MS + 1)));
    }
}
