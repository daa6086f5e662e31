//! Dots in braille characters: two across and four down in each.

/// A canvas of characters.
pub struct Canvas {
    columns: usize,
    rows: usize,
    dots: Vec<u8>,
    marks: Vec<Option<char>>,
}

impl Canvas {
    /// An empty canvas.
    pub fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, dots: vec![0; columns * rows], marks: vec![None; columns * rows] }
    }

    /// Dots across.
    pub fn width(&self) -> usize {
        self.columns * 2
    }

    /// Dots down.
    pub fn height(&self) -> usize {
        self.rows * 4
    }

    /// Sets the dot at a place counted from the top left; outside nothing happens.
    pub fn dot(&mut self, x: i64, y: i64) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.width() {
            return;
        }
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = BITS.get(y % 4).and_then(|row| row.get(x % 2)).copied().unwrap_or(0);
        if let Some(cell) = self.dots.get_mut(y / 4 * self.columns + x / 2) {
            *cell |= bit;
        }
    }

    /// Puts a character in the cell that holds the dot.
    pub fn mark(&mut self, x: i64, y: i64, c: char) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.width()
            && let Some(cell) = self.marks.get_mut(y / 4 * self.columns + x / 2)
        {
            *cell = Some(c);
        }
    }

    /// A straight line of dots.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().clamp(1.0, 4000.0) as usize;
        for i in 0..=steps {
            let t = i as f64 / steps as f64;
            let at = |a: f64, b: f64| (a + (b - a) * t).round() as i64;
            self.dot(at(from.0, to.0), at(from.1, to.1));
        }
    }

    /// The rows of characters.
    pub fn lines(&self) -> Vec<String> {
        let cell = |i: usize| match self.marks.get(i).copied().flatten() {
            Some(c) => c,
            None => match self.dots.get(i).copied().unwrap_or(0) {
                0 => ' ',
                dots => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
            },
        };
        (0..self.rows).map(|r| (0..self.columns).map(|c| cell(r * self.columns + c)).collect()).collect()
    }
}
