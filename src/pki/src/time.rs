//! Points in time as certificates and signed objects state them.

use core::fmt;
use core::str::FromStr;
use der::{Tag, asn1::AnyRef};

/// A point in time: seconds since 1970-01-01T00:00:00Z, negative before it, without leap seconds.
///
/// Holds every date that a certificate can state, years 0 to 9999, which is wider than the time types of the
/// `der` crate: they begin at 1970, whereas a UTCTime may mean 1950.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// 9999-12-31T23:59:59Z, "no well-defined expiration date" in RFC 5280 4.1.2.5.
const LAST: i64 = 253_402_300_799;
/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200;

impl Time {
    /// Seconds since 1970-01-01T00:00:00Z, brought into the years 0 to 9999.
    pub const fn from_unix(seconds: i64) -> Self {
        match seconds {
            ..FIRST => Self(FIRST),
            FIRST..=LAST => Self(seconds),
            _ => Self(LAST),
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// This time plus a number of seconds, at most the end of year 9999.
    pub const fn plus(self, seconds: u64) -> Self {
        Self::from_unix(self.0.saturating_add_unsigned(seconds))
    }

    /// This time less a number of seconds, at least the start of year 0.
    pub const fn minus(self, seconds: u64) -> Self {
        Self::from_unix(self.0.saturating_sub_unsigned(seconds))
    }

    /// Reads a UTCTime or GeneralizedTime in the form RFC 5280 4.1.2.5 prescribes: seconds stated, `Z`, no
    /// fraction. Returns nothing for any other form. Which of the two was used is not judged here.
    pub fn from_asn1(value: AnyRef<'_>) -> Option<Self> {
        let text = value.value();
        let (year, rest) = match (der::Tagged::tag(&value), text.len()) {
            (Tag::UtcTime, 13) => {
                let two = digits(text.get(..2)?)?;
                (if two < 50 { 2000 + two } else { 1900 + two }, text.get(2..)?)
            }
            (Tag::GeneralizedTime, 15) => (digits(text.get(..4)?)?, text.get(4..)?),
            _ => return None,
        };
        if rest.last() != Some(&b'Z') {
            return None;
        }
        let mut parts = rest.get(..10)?.chunks_exact(2).map(digits);
        let mut next = || parts.next().flatten();
        Self::from_civil(year, next()?, next()?, next()?, next()?, next()?)
    }

    fn from_civil(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Days since 1970-01-01 in the proleptic Gregorian calendar, years counted from March.
        let shifted = if month > 2 { year } else { year - 1 };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let days = era * 146_097 + day_of_era - 719_468;
        Some(Self(days * 86_400 + hour * 3_600 + minute * 60 + second))
    }

    /// Year, month, day, hour, minute and second in UTC.
    pub const fn civil(self) -> [i64; 6] {
        let days = self.0.div_euclid(86_400);
        let second = self.0.rem_euclid(86_400);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        [year, month, day, second / 3_600, second / 60 % 60, second % 60]
    }
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// RFC 3339 in UTC, `2026-11-24T09:30:00Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, second] = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// A text that is not a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseTimeError;

impl fmt::Display for ParseTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a time such as 2026-11-24T09:30:00Z, or a date such as 2026-11-24")
    }
}

impl std::error::Error for ParseTimeError {}

/// Accepts `2026-11-24T09:30:00Z` and the date alone, which means its first second.
impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, ParseTimeError> {
        let bytes = text.as_bytes();
        let part = |range: core::ops::Range<usize>| bytes.get(range).and_then(digits);
        let marks = |marks: &[(usize, u8)]| marks.iter().all(|&(at, mark)| bytes.get(at) == Some(&mark));
        let (hour, minute, second) = match bytes.len() {
            10 if marks(&[(4, b'-'), (7, b'-')]) => (Some(0), Some(0), Some(0)),
            20 if marks(&[(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')]) => {
                (part(11..13), part(14..16), part(17..19))
            }
            _ => return Err(ParseTimeError),
        };
        let read = || Self::from_civil(part(0..4)?, part(5..7)?, part(8..10)?, hour?, minute?, second?);
        read().ok_or(ParseTimeError)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn text_and_seconds_agree_over_ten_thousand_years() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-11-24T04:07:25Z", 1_795_493_245),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("9999-12-31T23:59:59Z", LAST),
            ("0000-01-01T00:00:00Z", FIRST),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().unix(), unix, "{text}");
            assert_eq!(Time::from_unix(unix).to_string(), text);
        }
        for day in 0..3_652_424 {
            let time = Time::from_unix(FIRST + day * 86_400 + 3_723);
            let [y, m, d, h, min, s] = time.civil();
            assert_eq!(Time::from_civil(y, m, d, h, min, s), Some(time));
        }
    }

    #[test]
    fn the_years_0_to_9999_are_not_left() {
        let [first, last] = [FIRST, LAST].map(Time);
        for (time, expected) in [
            (Time::from_unix(FIRST), first),
            (Time::from_unix(FIRST - 1), first),
            (Time::from_unix(i64::MIN), first),
            (Time::from_unix(LAST), last),
            (Time::from_unix(LAST + 1), last),
            (Time::from_unix(i64::MAX), last),
            (Time(5).plus(3), Time(8)),
            (Time(LAST - 3).plus(3), last),
            (Time(5).plus(u64::MAX), last),
            (Time(5).minus(8), Time(-3)),
            (Time(FIRST + 3).minus(3), first),
            (Time(5).minus(u64::MAX), first),
        ] {
            assert_eq!(time, expected);
        }
    }

    #[test]
    fn asn1_forms_follow_rfc_5280() {
        let read = |tag, text: &str| Time::from_asn1(AnyRef::new(tag, text.as_bytes()).unwrap());
        assert_eq!(read(Tag::UtcTime, "500101000000Z").unwrap().to_string(), "1950-01-01T00:00:00Z");
        assert_eq!(read(Tag::UtcTime, "491231235959Z").unwrap().to_string(), "2049-12-31T23:59:59Z");
        assert_eq!(read(Tag::GeneralizedTime, "20500101000000Z").unwrap().to_string(), "2050-01-01T00:00:00Z");
        for text in ["4912312359Z", "491231235959+0000", "491331235959Z", "490230000000Z", "49123123595Z"] {
            assert_eq!(read(Tag::UtcTime, text), None, "{text}");
        }
        for text in ["20260101000000.5Z", "20260101000000", "20260101240000Z", "20260101006000Z"] {
            assert_eq!(read(Tag::GeneralizedTime, text), None, "{text}");
        }
    }

    #[test]
    fn texts_that_are_not_times_are_refused() {
        for text in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "1900-02-29",
            "2026-04-31",
            "2026-06-31",
            "2026-09-31",
            "2026-11-31",
            "2026-12-32",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-0é",
            "2026/01/01",
            "2026-01/01",
            "2026-01-01T00-00:00Z",
        ] {
            assert_eq!(text.parse::<Time>(), Err(ParseTimeError), "{text}");
        }
        assert!(ParseTimeError.to_string().contains("2026-11-24T09:30:00Z"));
    }
}
