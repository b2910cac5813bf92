//! Differences that are known, each with its reason. What none of these explains fails the run.

use crate::{case::Case, ours};

/// What we said and what the other one said.
pub struct Difference<'d> {
    pub case: &'d Case,
    /// Our code and what it names, where we refused.
    pub ours: Option<(&'static str, &'static str)>,
    /// The other one's error in words, where it refused.
    pub theirs: Option<&'d str>,
    /// Whether the third implementation says what we say.
    pub alone: bool,
}

impl Difference<'_> {
    /// Whether we refused by one of these codes, and the other one did not.
    fn refused_by(&self, codes: &[&str]) -> bool {
        self.ours.is_some_and(|(code, _)| codes.contains(&code))
    }

    /// Whether we refused with this detail.
    fn names(&self, part: &str) -> bool {
        self.ours.is_some_and(|(_, detail)| detail.contains(part))
    }

    /// Whether we accepted, and the other one's error says this.
    fn they_say(&self, part: &str) -> bool {
        self.theirs.is_some_and(|error| error.contains(part))
    }

    fn has(&self, feature: &str) -> bool {
        self.case.features.contains(feature)
    }
}

/// A kind of difference.
pub struct Class {
    pub oracle: &'static str,
    /// What the other one does, and the section of RFC 5280 that decides.
    pub reason: &'static str,
    pub explains: fn(&Difference<'_>) -> bool,
}

const fn openssl(reason: &'static str, explains: fn(&Difference<'_>) -> bool) -> Class {
    Class { oracle: "OpenSSL", reason, explains }
}

const fn certval(reason: &'static str, explains: fn(&Difference<'_>) -> bool) -> Class {
    Class { oracle: "certval", reason, explains }
}

/// The first that explains a difference counts.
pub const CLASSES: &[Class] = &[
    openssl("counts the last second of a validity or of a list as expired (4.1.2.5 and 5.1.2.5 include it)", |d| {
        let certificate = d.they_say("certificate has expired") && d.has("end at the boundary");
        certificate || d.they_say("CRL has expired") && d.has("a list out of date")
    }),
    openssl("wants keyUsage beside a path length; where it is missing it restricts nothing here (4.2.1.9)", |d| {
        d.they_say("Path length given without key usage") && d.has("no key usage")
    }),
    openssl("applies the mappings of the leaf, which certifies nobody (6.1.4 is for issuers)", |d| {
        d.they_say("no explicit policy") && ours::maps_policies_in_leaf(d.case)
    }),
    openssl("excludes less by a dNSName that begins with a period; here the name itself too (not in 4.2.1.10)", |d| {
        let refused = d.names("dNSName") || d.refused_by(&["CS-2009"]) && d.has("expired twin");
        refused && d.has("constraint with a period before a dNSName")
    }),
    openssl("compares a wildcard with an excluded name by its text; here by what it may stand for (4.2.1.10)", |d| {
        d.names("dNSName") && d.refused_by(&["CS-2018"]) && d.has("wildcard name")
    }),
    openssl("requires keyUsage in CA certificates (6.1.4 n: if it is present)", |d| {
        d.they_say("CA cert does not include key usage extension") && d.has("no key usage")
    }),
    openssl("wants digitalSignature of a TLS client; only an extended key usage was asked for (4.2.1.12)", |d| {
        d.they_say("unsuitable certificate purpose") && d.case.client && d.has("key usage of the leaf")
    }),
    openssl("follows one way up and turns back from none: cross certificates lead it astray (6, path building)", |d| {
        let lost =
            d.they_say("unable to get local issuer") || d.they_say("self-signed certificate in certificate chain");
        lost && d.has("cross certificate")
    }),
    openssl("asks for the status of the anchor as well (6.1: an anchor is not part of the path)", |d| {
        d.they_say("different CRL scope")
    }),
    openssl("reads a delta list only where a freshestCRL names one (5.2.4 and 6.3.3 c do not ask for it)", |d| {
        let delta = d.has("a delta list that releases") || d.has("a delta list that revokes");
        delta && (d.they_say("certificate revoked") || d.refused_by(&["CS-2035", "CS-2009"]))
    }),
    openssl("asks the newest list of any scope alone; an older one of a wider scope counts here too (6.3.3)", |d| {
        d.refused_by(&["CS-2035"]) && d.has("an older list that revokes")
    }),
    openssl("reads what is not DER, such as a BOOLEAN of 0x7f (4.1: DER)", |d| {
        d.ours.is_some() && d.has("mutated") && !ours::reads_every_certificate(d.case)
    }),
    openssl("accepts a uniformResourceIdentifier that is not absolute (4.2.1.6)", |d| {
        d.names("uniformResourceIdentifier is not absolute")
    }),
    openssl("accepts a dNSName that is not a host name (4.2.1.6)", |d| d.names("dNSName is not a host name")),
    openssl("reads the key of a leaf, with which nothing is verified here", |d| {
        d.ours.is_none() && !ours::reads_key_of_leaf(d.case)
    }),
    openssl("accepts keys that are not allowed here: RSA below 2,048 bits", |d| {
        d.refused_by(&["CS-2005", "CS-2009"]) && d.has("short key")
    }),
    openssl("accepts a leaf without extended key usages; here one that is asked for must be stated (4.2.1.12)", |d| {
        d.refused_by(&["CS-2014"]) && (d.has("leaf without extended key usage") || d.has("mutated"))
    }),
    openssl("accepts name constraints in a certificate that is not a CA's (4.2.1.10)", |d| {
        d.names("nameConstraints in a certificate that is not a CA's")
    }),
    openssl("ignores mappings with anyPolicy where no policy is required (4.2.1.5)", |d| {
        d.names("mapping from or to anyPolicy")
    }),
    certval("does not compare key identifiers (4.2.1.1)", |d| {
        let odd = ["wrong authority key identifier", "signed by another key", "mutated"];
        d.refused_by(&["CS-2006", "CS-2009"]) && d.alone && odd.iter().any(|feature| d.has(feature))
    }),
    certval("does not hold the path length of an anchor (6.1.2 k with RFC 5937 3.2)", |d| {
        d.refused_by(&["CS-2012", "CS-2009"]) && d.alone && d.has("path length of the anchor")
    }),
    certval("excludes less by a dNSName that begins with a period; here the name itself too (not in 4.2.1.10)", |d| {
        let refused = d.names("dNSName") || d.refused_by(&["CS-2009"]) && d.has("expired twin");
        refused && d.has("constraint with a period before a dNSName")
    }),
    certval("compares a wildcard with an excluded name by its text; here by what it may stand for (4.2.1.10)", |d| {
        d.names("dNSName") && d.refused_by(&["CS-2018"]) && d.has("wildcard name")
    }),
    certval("does not hold the name constraints of an anchor with the leaf (6.1.3 b with RFC 5937 3.2)", |d| {
        d.refused_by(&["CS-2017", "CS-2018", "CS-2019"]) && d.alone && d.has("name constraints of the anchor")
    }),
    certval("does not require key identifiers (4.2.1.1, 4.2.1.2)", |d| {
        d.names("key identifier") && (d.has("no key identifiers") || d.has("mutated"))
    }),
    certval("reads what is not DER, or an extension not at all until it is needed (4.1: DER)", |d| {
        d.ours.is_some() && d.has("mutated") && !ours::reads_every_certificate(d.case)
    }),
    certval("reads the key of a leaf, with which nothing is verified here", |d| {
        d.ours.is_none() && !ours::reads_key_of_leaf(d.case)
    }),
    certval("accepts a uniformResourceIdentifier that is not absolute (4.2.1.6)", |d| {
        d.names("uniformResourceIdentifier is not absolute")
    }),
    certval("accepts a sequence of no extensions (4.1: SIZE (1..MAX))", |d| {
        d.names("extensions") && d.alone && d.has("no key identifiers") && d.has("no key usage")
    }),
    certval("accepts a dNSName that is not a host name (4.2.1.6)", |d| d.names("dNSName is not a host name")),
    certval("asks the newest list of any scope alone; an older one of a wider scope counts here too (6.3.3)", |d| {
        d.refused_by(&["CS-2035"]) && d.has("an older list that revokes")
    }),
    certval("does not find every way past a new key of a CA (6, path building)", |d| {
        d.theirs.is_some() && d.alone && d.has("rollover")
    }),
    certval("accepts an empty subject without a critical subjectAltName (4.1.2.6)", |d| d.names("subject is empty")),
    certval("accepts name constraints in a certificate that is not a CA's (4.2.1.10)", |d| {
        d.names("nameConstraints in a certificate that is not a CA's")
    }),
    certval("accepts mappings with anyPolicy (4.2.1.5)", |d| d.names("mapping from or to anyPolicy")),
    certval("accepts keyCertSign without cA (4.2.1.9)", |d| d.names("keyCertSign without cA")),
    certval("accepts pathLenConstraint without cA (4.2.1.9)", |d| d.names("pathLenConstraint without cA")),
    certval("accepts empty policyConstraints (4.2.1.11)", |d| d.names("policyConstraints is empty")),
    certval("accepts keys that are not allowed here: RSA below 2,048 bits", |d| {
        d.refused_by(&["CS-2005", "CS-2009"]) && d.has("short key")
    }),
    certval("accepts a leaf without extended key usages; here one that is asked for must be stated (4.2.1.12)", |d| {
        d.refused_by(&["CS-2014"]) && (d.has("leaf without extended key usage") || d.has("mutated"))
    }),
    certval("requires keyUsage in CA certificates (6.1.4 n: if it is present)", |d| {
        d.they_say("InvalidKeyUsage") && d.has("no key usage")
    }),
    certval("reads no delta lists (5.2.4)", |d| {
        let delta = d.has("a delta list that releases") || d.has("a delta list that revokes");
        delta && (d.they_say("CertificateRevoked") || d.refused_by(&["CS-2035", "CS-2009"]))
    }),
    certval("asks an older list although a newer one of the same scope is there (5.2.3)", |d| {
        d.they_say("CertificateRevoked") && d.has("an older list that revokes")
    }),
    certval("does not put lists of some reasons together (6.3.3 d, e and l)", |d| {
        d.they_say("RevocationStatusNotDetermined") && d.has("lists of all reasons")
    }),
    certval(
        "refuses every name under a dNSName constraint that begins with a period (4.2.1.10 does not define it)",
        |d| d.they_say("NameConstraintsViolation") && d.has("constraint with a period before a dNSName"),
    ),
];
