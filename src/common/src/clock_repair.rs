//! Mending a clock that ran ahead (docs/token-format.md, "Mending a clock").
//!
//! A machine whose clock once stood in the future has a time floor in the future, and is refused once its clock is
//! right again. Where the token permits it, the stamp of a time-stamping authority (RFC 3161), made over a request of
//! this machine and brought back by courier, sets the floor to the stamped time.

use crate::{
    asn1::{Digest32, GeneralizedTime, Octets, read_body},
    cms::sequence,
    machine::{MachineComparison, MachineComponent, check_components},
    reason::Reason,
    rules::{CLOCK_TOLERANCE, match_machine},
    timestamp::{VerifiedTimestamp, verify_timestamp},
    token::FORMAT_VERSION,
    verdict::Facts,
    verified_token::VerifiedToken,
};
use countersign_pki::HashAlgorithm;
use der::{
    Encode, Sequence,
    asn1::{OctetStringRef, UintRef},
};
use sha2::{Digest as _, Sha256};

/// For how long after it was made a time stamp mends a clock, in seconds: 30 days for the courier's way back. A longer
/// span would let an old stamp take a machine further back.
pub const COURIER_TIME: u64 = 30 * 86_400;
/// Octets of the nonce that go into the query. Eight are what every authority takes; the whole nonce is in the imprint.
const QUERY_NONCE_SIZE: usize = 8;

/// What a machine wants stamped: SHA-256 of the DER of this is the imprint.
///
/// ```text
/// ClockRequest ::= SEQUENCE {
///   version      INTEGER { v1(1) },
///   tokenDigest  OCTET STRING (SIZE(32)),
///   nonce        OCTET STRING (SIZE(32)),
///   machine      SEQUENCE SIZE(1..16) OF MachineComponent,
///   time         GeneralizedTime,
///   floor        GeneralizedTime }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub struct ClockRequest {
    /// Always [`FORMAT_VERSION`].
    pub version: u8,
    /// SHA-256 of the DER of the token that permits the mend.
    pub token_digest: Digest32,
    /// Random: no stamp exists before the request does.
    pub nonce: Digest32,
    /// Digests of this machine's components under the token's salt, ascending by kind.
    pub machine: Vec<MachineComponent>,
    /// The machine's clock when it asked.
    pub time: GeneralizedTime,
    /// The time floor when it asked, later than the clock. A floor that moved afterwards is not lowered.
    pub floor: GeneralizedTime,
}

impl ClockRequest {
    /// A request for this machine under a token. `nonce` is 32 random octets.
    ///
    /// # Errors
    ///
    /// [`Reason::ClockRepairNotPermitted`], [`Reason::NothingToMend`] where the clock is not behind the floor, and what
    /// keeps the machine from being recognised again.
    pub fn new(token: &VerifiedToken<'_>, nonce: [u8; 32], facts: &Facts<'_>) -> Result<Self, Reason> {
        timestamp_anchors(token)?;
        let now = facts.now.ok_or(Reason::NoClock)?;
        let floor = facts.newest_time_seen.filter(|floor| now.plus(CLOCK_TOLERANCE) < *floor);
        let machine = facts.machine.digests(&token.body().binding);
        token.check_enough_components(&machine)?;
        Ok(Self {
            version: FORMAT_VERSION,
            token_digest: Octets(token.object().digest()),
            nonce: Octets(nonce),
            machine,
            time: GeneralizedTime(now),
            floor: GeneralizedTime(floor.ok_or(Reason::NothingToMend { now })?),
        })
    }

    /// Reads the DER of a request, as the machine kept it, and holds it to the limits of the format.
    pub fn from_der(der: &[u8]) -> Result<Self, Reason> {
        let request: Self = read_body(der, FORMAT_VERSION, "clock request")?;
        if request.machine.is_empty() || !check_components(&request.machine) {
            return Err(Reason::ClockRequestVoid("its member machine is outside its limits"));
        }
        Ok(request)
    }

    /// DER of the TimeStampReq (RFC 3161 2.4.1) that a time-stamping authority answers: the imprint by SHA-256, a
    /// nonce, and the wish to have the authority's certificate in the answer.
    pub fn query(&self) -> der::Result<Vec<u8>> {
        let imprint = OctetStringRef::new(&self.imprint()?)?.to_der()?;
        let imprint = sequence(&[HashAlgorithm::Sha256.identifier(), &imprint])?;
        let nonce = UintRef::new(&self.query_nonce())?.to_der()?;
        sequence(&[&1_u8.to_der()?, &imprint, &nonce, &true.to_der()?])
    }

    /// What is stamped: SHA-256 of the DER of this request.
    pub(crate) fn imprint(&self) -> der::Result<[u8; 32]> {
        Ok(Sha256::digest(self.to_der()?).into())
    }

    /// The nonce of the query, big-endian: the first octets of this request's nonce, brought between 2^62 and 2^63 so
    /// that its INTEGER is positive and always as long.
    pub(crate) fn query_nonce(&self) -> [u8; QUERY_NONCE_SIZE] {
        let mut nonce = [0; QUERY_NONCE_SIZE];
        nonce.copy_from_slice(&self.nonce.0[..QUERY_NONCE_SIZE]);
        nonce[0] = nonce[0] & 0x3f | 0x40;
        nonce
    }
}

/// Judges the answer of a time-stamping authority to a request of this machine. The time floor becomes the stamped
/// time, and the request must not be used again.
///
/// `facts` are those of the machine now: its clock, which has to be right again, its floor, its lists. The product is
/// not looked at.
///
/// # Errors
///
/// The rule that is not met; nothing is to be changed then.
pub fn mend(
    response: &[u8],
    request: &ClockRequest,
    token: &VerifiedToken<'_>,
    facts: &Facts<'_>,
) -> Result<VerifiedTimestamp, Reason> {
    let anchors = timestamp_anchors(token)?;
    if request.token_digest.0 != token.object().digest() {
        return Err(Reason::ClockRequestVoid("it is of another token"));
    }
    let binding = &token.body().binding;
    match_machine(&MachineComparison::new(binding, &request.machine, &facts.machine.digests(binding)))?;
    let now = facts.now.ok_or(Reason::NoClock)?;
    if facts.newest_time_seen != Some(request.floor.0) {
        return Err(Reason::ClockRequestVoid("the time floor has moved since it was made"));
    }
    let timestamp = verify_timestamp(response, request, &anchors, facts.lists)?;
    let stamped = timestamp.time;
    facts.lists.check_token(token, stamped)?;
    let passed = facts.lists.newest().map_or(token.issued(), |newest| newest.max(token.issued()));
    if stamped.plus(CLOCK_TOLERANCE) < passed {
        return Err(Reason::StampedTooEarly { stamped, passed });
    }
    if now.plus(CLOCK_TOLERANCE) < stamped || now > stamped.plus(COURIER_TIME) {
        return Err(Reason::ClockNotNearStamp { now, stamped });
    }
    Ok(timestamp)
}

/// DER of the anchors of those time-stamping authorities that a token trusts.
fn timestamp_anchors(token: &VerifiedToken<'_>) -> Result<Vec<Vec<u8>>, Reason> {
    let repair = token.body().terms.clock_repair.as_ref();
    let anchors = repair.and_then(|repair| repair.timestamp_anchors.as_deref());
    let encoded = anchors.ok_or(Reason::ClockRepairNotPermitted)?.iter().map(Encode::to_der);
    encoded.collect::<Result<_, _>>().map_err(|_| Reason::TokenField("terms.clockRepair"))
}
