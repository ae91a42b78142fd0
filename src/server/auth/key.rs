//! A key that tokens are checked with.
//!
//! It is bound to one algorithm by what it is, never by what a token says: RSA to RS256, P-256 to ES256,
//! Ed25519 to EdDSA, a secret to HS256. No error repeats anything of a key.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::rust_crypto::DEFAULT_PROVIDER,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse},
};
use serde_json::Value;

/// The shortest key that HS256 may have (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// The sizes of RSA keys that are safe (RFC 7518, section 3.3) and that can be computed with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Bytes of a public key on Ed25519.
const ED25519_BYTES: usize = 32;

/// The members of a JWK that only a private key has.
const PRIVATE_MEMBERS: [&str; 6] = ["d", "p", "q", "dp", "dq", "qi"];

/// Why a text is not a key that tokens can be checked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum KeyError {
    #[error("it is neither a PEM public key nor a JWK. Write a text that begins with -----BEGIN PUBLIC KEY----- or with {{")]
    NoKey,
    #[error("it is a private key, which this server must not have. Give it the public one: openssl pkey -in private.pem -pubout")]
    Private,
    #[error("the key is broken. Copy it again, whole")]
    Broken,
    #[error("keys of this kind are not supported. Use RSA (RS256), P-256 (ES256), Ed25519 (EdDSA), or a JWK with kty \"oct\" (HS256)")]
    Unsupported,
    #[error("its `alg` is {found}, but a key of this kind is used for {bound:?}. Use one that was made for {bound:?}")]
    OtherAlgorithm { found: String, bound: Algorithm },
    #[error("an RSA key of {bits} bits is not taken. Use one of {} to {}", RSA_BITS.start(), RSA_BITS.end())]
    RsaSize { bits: usize },
    #[error("the secret is too short. HS256 needs at least {MIN_SECRET_BYTES} bytes")]
    ShortSecret,
    #[error("its `use` or `key_ops` says that it is not for checking signatures. Use one that is")]
    NotForSignatures,
    #[error("it is a secret, which has no place in a published set. Put it into [[auth.keys]]")]
    Published,
}

/// See the module.
#[derive(Clone)]
pub struct Key {
    /// Its name, which tokens may give.
    pub kid: Option<String>,
    /// The one algorithm that it is used for.
    pub algorithm: Algorithm,
    /// What computes.
    pub decoding: DecodingKey,
}

impl Key {
    /// For HS256.
    pub fn secret(secret: &[u8]) -> Self {
        Self { kid: None, algorithm: Algorithm::HS256, decoding: DecodingKey::from_secret(secret) }
    }

    /// From PEM or from a JWK.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.starts_with('{') {
            return Self::from_jwk(&serde_json::from_str(text).map_err(|_| KeyError::Broken)?);
        }
        let label = text.strip_prefix("-----BEGIN ").and_then(|rest| rest.split("-----").next()).ok_or(KeyError::NoKey)?;
        match label {
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Self::from_pem(text.as_bytes()),
            _ if label.contains("PRIVATE KEY") => Err(KeyError::Private),
            _ => Err(KeyError::NoKey),
        }
    }

    /// From the object of a JWK.
    pub fn from_jwk(value: &Value) -> Result<Self, KeyError> {
        if PRIVATE_MEMBERS.iter().any(|member| value.get(member).is_some()) {
            return Err(KeyError::Private);
        }
        let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|_| KeyError::Broken)?;
        Self::new(&jwk)
    }

    /// From a member of a set that others can read.
    pub fn from_published(value: &Value) -> Result<Self, KeyError> {
        let key = Self::from_jwk(value)?;
        if key.algorithm == Algorithm::HS256 { Err(KeyError::Published) } else { Ok(key) }
    }

    fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let kinds = [DecodingKey::from_rsa_pem, DecodingKey::from_ec_pem, DecodingKey::from_ed_pem];
        let decoding = kinds.iter().find_map(|read| read(pem).ok()).ok_or(KeyError::Unsupported)?;
        Self::new(&Jwk::from_decoding_key(&decoding, None).map_err(|_| KeyError::Broken)?)
    }

    fn new(jwk: &Jwk) -> Result<Self, KeyError> {
        let algorithm = bound_algorithm(&jwk.algorithm)?;
        let common = &jwk.common;
        if let Some(found) = common.key_algorithm.filter(|found| *found != algorithm.into()) {
            return Err(KeyError::OtherAlgorithm { found: found.to_string(), bound: algorithm });
        }
        let encrypts = common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature);
        let verifies = common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if encrypts || !verifies {
            return Err(KeyError::NotForSignatures);
        }
        let decoding = DecodingKey::from_jwk(jwk).map_err(|_| KeyError::Broken)?;
        check(algorithm, &decoding)?;
        Ok(Self { kid: common.key_id.clone(), algorithm, decoding })
    }
}

fn bound_algorithm(parameters: &AlgorithmParameters) -> Result<Algorithm, KeyError> {
    match parameters {
        AlgorithmParameters::RSA(_) => Ok(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => Ok(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => Ok(Algorithm::EdDSA),
        AlgorithmParameters::OctetKey(_) => Ok(Algorithm::HS256),
        _ => Err(KeyError::Unsupported),
    }
}

/// Whether one can compute with the key, and may.
fn check(algorithm: Algorithm, key: &DecodingKey) -> Result<(), KeyError> {
    match (algorithm, key.kind()) {
        (_, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let modulus = n.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &n[first..]);
            let bits = modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
            let odd = e.last().is_some_and(|last| last % 2 == 1);
            match () {
                () if !RSA_BITS.contains(&bits) => Err(KeyError::RsaSize { bits }),
                () if !odd => Err(KeyError::Broken),
                () => Ok(()),
            }
        }
        (Algorithm::HS256, DecodingKeyKind::SecretOrDer(secret)) if secret.len() < MIN_SECRET_BYTES => Err(KeyError::ShortSecret),
        // The library takes longer ones apart without a look, and shorter ones not at all.
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) if point.len() != ED25519_BYTES => Err(KeyError::Broken),
        _ => (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key).map(drop).map_err(|_| KeyError::Broken),
    }
}
