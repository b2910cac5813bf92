//! The plots of the page: SVG in the page itself, coloured by its style sheet, each with a title and a description.

use super::page::shown;
use maud::{Markup, html};

/// The size of a plot, in units of its own; the page scales it.
const WIDTH: f64 = 600.0;
const WIDE: f64 = 1_080.0;
const HEIGHT: f64 = 232.0;
const LEFT: f64 = 42.0;
const RIGHT: f64 = 8.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 30.0;

/// The widest a column gets.
const COLUMN: f64 = 46.0;
/// Up to as many columns have their numbers above them.
const NUMBERED: usize = 14;
/// How much room a label needs for each of its characters.
const CHARACTER: f64 = 7.6;

/// Columns side by side, each of parts on top of each other.
pub(super) struct Columns<'a> {
    /// Unlike that of any other plot of the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    /// Whether it has all the width of the page, not half of it.
    pub(super) wide: bool,
    /// What the parts are called, from below.
    pub(super) parts: &'a [&'a str],
    /// Each column with as many numbers as there are parts.
    pub(super) columns: &'a [(&'a str, Vec<u64>)],
}

impl Columns<'_> {
    pub(super) fn markup(&self) -> Markup {
        let sums: Vec<u64> = self.columns.iter().map(|(_, parts)| parts.iter().sum()).collect();
        let step = tick(sums.iter().copied().max().unwrap_or_default());
        let top = sums.iter().copied().max().unwrap_or_default().div_ceil(step).max(1) * step;
        let all = if self.wide { WIDE } else { WIDTH };
        let height = HEIGHT - TOP - BOTTOM;
        let y = |value: u64| TOP + height - height * ratio(value, top);
        let slot = (all - LEFT - RIGHT) / count(self.columns.len().max(1));
        let width = (slot * 0.72).min(COLUMN);
        let middle = |place: usize| LEFT + slot * (count(place) + 0.5);
        let longest = self.columns.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
        let every = ((CHARACTER * count(longest) / slot).ceil() as usize).max(1);
        let (title, description) = (format!("{}-title", self.id), format!("{}-description", self.id));
        html! {
            div class={ "plot" @if self.wide { " wide" } } {
                svg role="img" aria-labelledby={ (title) " " (description) } viewBox={ "0 0 " (all) " " (HEIGHT) } {
                    title id=(title) { (shown(self.title)) }
                    desc id=(description) { (shown(self.description)) }
                    @for value in (0..=top / step).map(|number| number * step) {
                        line class=(if value == 0 { "axis" } else { "grid" })
                            x1=(LEFT) x2=(all - RIGHT) y1=(place(y(value))) y2=(place(y(value))) {}
                        text class="tick" x=(LEFT - 8.0) y=(place(y(value) + 4.0)) { (value) }
                    }
                    @for (at, ((label, parts), sum)) in self.columns.iter().zip(&sums).enumerate() {
                        g {
                            title { (shown(label)) ": " (self.told(parts)) }
                            // All of the slot answers to the pointer.
                            rect class="slot" x=(place(middle(at) - slot / 2.0)) y=(TOP) width=(place(slot)) height=(height) {}
                            @for (number, (from, to)) in stacked(parts).into_iter().enumerate().filter(|(_, (from, to))| to > from) {
                                rect class={ "part-" (number) } x=(place(middle(at) - width / 2.0)) y=(place(y(to)))
                                    width=(place(width)) height=(place(y(from) - y(to))) {}
                            }
                            @if self.columns.len() <= NUMBERED && *sum > 0 {
                                text class="number" x=(place(middle(at))) y=(place(y(*sum) - 5.0)) { (sum) }
                            }
                        }
                        @if (self.columns.len() - 1 - at).is_multiple_of(every) {
                            text class="label" x=(place(middle(at).min(all - CHARACTER * count(longest) / 2.0)))
                                y=(HEIGHT - 10.0) { (shown(label)) }
                        }
                    }
                }
            }
            @if self.parts.len() > 1 {
                ul class="legend" {
                    @for (number, part) in self.parts.iter().enumerate() {
                        li { span class={ "key part-" (number) } {} (part) }
                    }
                }
            }
        }
    }

    fn told(&self, parts: &[u64]) -> String {
        match (self.parts, parts) {
            ([_], [value]) => value.to_string(),
            (names, values) => {
                let parts: Vec<_> = names.iter().zip(values).map(|(name, value)| format!("{value} {name}")).collect();
                parts.join(", ")
            }
        }
    }
}

/// A bar in a table: a part of what it is held against, and what goes beyond that.
pub(super) fn bar(value: u64, against: u64, most: u64, told: &str) -> Markup {
    let most = most.max(value).max(against).max(1);
    let share = |value: u64| place(ratio(value, most) * 100.0);
    let within = value.min(against);
    html! {
        svg class="bar" role="img" aria-label=(shown(told)) viewBox="0 0 100 10" preserveAspectRatio="none" {
            title { (shown(told)) }
            rect class="track" width=(share(against)) height="10" {}
            rect class="full" width=(share(within)) height="10" {}
            @if value > against {
                rect class="over" x=(share(against)) width=(share(value - against)) height="10" {}
            }
        }
    }
}

/// Where each part begins and ends.
fn stacked(parts: &[u64]) -> Vec<(u64, u64)> {
    let mut from = 0;
    parts
        .iter()
        .map(|part| {
            let range = (from, from + part);
            from += part;
            range
        })
        .collect()
}

/// The distance of the lines that are numbered: 1, 2 or 5 times a power of ten, so that there are five of them at most.
fn tick(most: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        if let Some(step) = [1, 2, 5].map(|of| power.saturating_mul(of)).into_iter().find(|step| most / step < 5) {
            return step;
        }
        power = power.saturating_mul(10);
    }
}

/// A place in a plot, as short as it can be told.
fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[expect(clippy::cast_precision_loss, reason = "a place in a plot")]
fn ratio(value: u64, of: u64) -> f64 {
    value as f64 / of as f64
}

#[expect(clippy::cast_precision_loss, reason = "a place in a plot")]
fn count(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_at_round_numbers_and_few() {
        for (most, expected) in [(0, 1), (1, 1), (4, 1), (5, 2), (9, 2), (10, 5), (24, 5), (25, 10), (100_000, 50_000)]
        {
            assert_eq!(tick(most), expected, "{most}");
        }
        assert!(u64::MAX / tick(u64::MAX) <= 5);
    }

    #[test]
    fn parts_stand_on_each_other() {
        assert_eq!(stacked(&[2, 0, 3]), [(0, 2), (2, 2), (2, 5)]);
        let columns = [("2026-10", vec![0, 0]), ("2026-11", vec![6, 2])];
        let plot =
            Columns { id: "x", title: "T", description: "D", wide: false, parts: &["one", "other"], columns: &columns };
        let text = plot.markup().into_string();
        assert!(text.contains("2026-11: 6 one, 2 other"));
        assert_eq!(text.matches("class=\"part-").count(), 2, "nothing is drawn for nothing");
        // The whole height is 8, and 6 of it the lower part.
        assert!(text.contains("height=\"136.5\"") && text.contains("height=\"45.5\""), "{text}");
    }

    #[test]
    fn bars_show_what_is_beyond() {
        let text = bar(3, 2, 4, "3 of 2").into_string();
        for part in
            ["class=\"track\" width=\"50\"", "class=\"full\" width=\"50\"", "class=\"over\" x=\"50\" width=\"25\""]
        {
            assert!(text.contains(part), "{text}");
        }
        assert!(!bar(0, 0, 0, "").into_string().contains("NaN"));
    }
}
