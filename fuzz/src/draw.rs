//! Taking an input apart: what a structured target needs comes off its front, octet by octet, and zeros once it is
//! used up, so that every input means something and a seed can be written by hand.

/// What is left of an input.
#[derive(Clone, Debug)]
pub struct Draw<'a>(&'a [u8]);

impl<'a> Draw<'a> {
    /// The whole input.
    pub fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One octet.
    pub fn octet(&mut self) -> u8 {
        self.octets(1).first().copied().unwrap_or_default()
    }

    /// Two octets, big-endian.
    pub fn short(&mut self) -> u16 {
        u16::from(self.octet()) << 8 | u16::from(self.octet())
    }

    /// One octet, as an answer to a question.
    pub fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// One octet, as a choice among some.
    pub fn choice<'c, T>(&mut self, among: &'c [T]) -> &'c T {
        &among[usize::from(self.octet()) % among.len()]
    }

    /// So many octets, or what is left.
    pub fn octets(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.octets(usize::MAX)
    }
}
