//! Steps of time: days, weeks from Monday, months, quarters and years, in UTC.

use crate::{args::Step, error::Error};
use countersign_common::Time;

/// The most steps that are shown.
pub(crate) const MAX_STEPS: usize = 400;

const DAY: u64 = 86_400;

impl Step {
    /// The step with which a time can be overlooked.
    pub(crate) fn fitting(from: Time, to: Time) -> Self {
        match to.unix().saturating_sub(from.unix()) / 86_400 {
            ..32 => Self::Day,
            32..190 => Self::Week,
            190..1_500 => Self::Month,
            1_500..5_500 => Self::Quarter,
            _ => Self::Year,
        }
    }

    /// For people, as in "by month".
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// When the step that a time lies in begins.
    pub(crate) fn start(self, time: Time) -> Time {
        let day = midnight(time);
        let [_, month, of_month, ..] = time.civil();
        let back = |days: i64| day.minus(days.unsigned_abs() * DAY);
        match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday.
            Self::Week => back((day.unix().div_euclid(86_400) + 3).rem_euclid(7)),
            Self::Month => back(of_month - 1),
            Self::Quarter => (0..(month - 1) % 3).fold(back(of_month - 1), |start, _| Self::Month.before(start)),
            Self::Year => (0..month - 1).fold(back(of_month - 1), |start, _| Self::Month.before(start)),
        }
    }

    /// When the next step begins, from the beginning of one.
    pub(crate) fn after(self, start: Time) -> Time {
        // The longest of each and a little more, and back to where that one begins.
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 32,
            Self::Quarter => 100,
            Self::Year => 370,
        };
        self.start(start.plus(days * DAY))
    }

    fn before(self, start: Time) -> Time {
        self.start(start.minus(1))
    }

    /// What a step is called, by its beginning: `2026-11-28`, `2026-11`, `2026 Q4`, `2026`. A week is called by its Monday.
    pub(crate) fn label(self, start: Time) -> String {
        let [year, month, day, ..] = start.civil();
        match self {
            Self::Day | Self::Week => format!("{year:04}-{month:02}-{day:02}"),
            Self::Month => format!("{year:04}-{month:02}"),
            Self::Quarter => format!("{year:04} Q{}", (month + 2) / 3),
            Self::Year => format!("{year:04}"),
        }
    }
}

fn midnight(time: Time) -> Time {
    time.minus(time.unix().rem_euclid(86_400).unsigned_abs())
}

/// The date of a time.
pub(crate) fn date(time: Time) -> String {
    Step::Day.label(time)
}

/// The whole days from a time to another; negative where the other lies before.
pub(crate) fn days(from: Time, to: Time) -> i64 {
    to.unix().saturating_sub(from.unix()).div_euclid(86_400)
}

/// Steps that follow each other.
#[derive(Debug)]
pub(crate) struct Steps {
    pub(crate) step: Step,
    /// When each begins.
    pub(crate) starts: Vec<Time>,
    /// When the last one ends.
    end: Time,
}

impl Steps {
    /// Those that a time from and to another touches.
    pub(crate) fn between(step: Step, from: Time, to: Time) -> Result<Self, Error> {
        let (mut starts, mut next) = (Vec::new(), step.start(from));
        while next <= to || starts.is_empty() {
            if starts.len() == MAX_STEPS {
                return Err(Error::TooManySteps { step: step.name(), from, to });
            }
            starts.push(next);
            next = step.after(next);
        }
        Ok(Self { step, starts, end: next })
    }

    /// The place of the step that a time lies in.
    pub(crate) fn place(&self, time: Time) -> Option<usize> {
        let after = self.starts.partition_point(|start| *start <= time);
        after.checked_sub(1).filter(|_| time < self.end)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn steps_begin_where_the_calendar_says() {
        let begins = |step: Step, text: &str| date(step.start(time(text)));
        for (step, text, expected) in [
            (Step::Day, "2026-11-28T23:59:59Z", "2026-11-28"),
            (Step::Week, "2026-11-29T10:00:00Z", "2026-11-23"),
            (Step::Week, "2026-11-30", "2026-11-30"),
            (Step::Week, "2027-01-01", "2026-12-28"),
            (Step::Month, "2028-02-29T12:00:00Z", "2028-02-01"),
            (Step::Quarter, "2026-12-31", "2026-10-01"),
            (Step::Quarter, "2026-01-01", "2026-01-01"),
            (Step::Year, "2026-12-31T23:59:59Z", "2026-01-01"),
        ] {
            assert_eq!(begins(step, text), expected, "{step:?} {text}");
        }
    }

    #[test]
    fn steps_follow_each_other_without_a_gap() {
        for step in [Step::Day, Step::Week, Step::Month, Step::Quarter, Step::Year] {
            let steps = Steps::between(step, time("2027-12-30"), time("2028-03-02")).unwrap();
            for pair in steps.starts.windows(2) {
                assert_eq!(step.start(pair[1]), pair[1]);
                assert_eq!(step.start(pair[1].minus(1)), pair[0], "{step:?}");
            }
            assert_eq!(
                steps.place(time("2028-02-29")).map(|place| steps.starts[place]),
                Some(step.start(time("2028-02-29")))
            );
            assert_eq!((steps.place(steps.starts[0].minus(1)), steps.place(steps.end)), (None, None));
        }
        let months = Steps::between(Step::Month, time("2027-12-30"), time("2028-03-02")).unwrap();
        let labels: Vec<_> = months.starts.iter().map(|start| Step::Month.label(*start)).collect();
        assert_eq!(labels, ["2027-12", "2028-01", "2028-02", "2028-03"]);
        assert_eq!(Step::Quarter.label(time("2026-10-01")), "2026 Q4");
    }

    #[test]
    fn time_that_has_too_many_steps_is_refused() {
        let (from, to) = (time("2026-01-01"), time("2027-02-05"));
        assert!(Steps::between(Step::Day, from, to.minus(86_400)).is_ok());
        assert_eq!(Steps::between(Step::Day, from, to).unwrap_err().code(), "CS-7033");
        for to in ["2026-01-02", "2026-05-01", "2028-01-01", "2036-01-01", "2300-01-01"] {
            let step = Step::fitting(from, time(to));
            assert!(Steps::between(step, from, time(to)).unwrap().starts.len() <= 280, "{to}");
        }
    }

    #[test]
    fn days_are_whole_and_may_be_over() {
        let now = time("2026-11-28T12:00:00Z");
        assert_eq!(days(now, time("2026-11-29T12:00:00Z")), 1);
        assert_eq!(days(now, time("2026-11-29T11:59:59Z")), 0);
        assert_eq!(days(now, now.minus(1)), -1);
    }
}
