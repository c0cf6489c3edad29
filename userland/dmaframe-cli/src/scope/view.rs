// SPDX-License-Identifier: MIT OR Apache-2.0
//! What part of the samples is shown, and when it changes: trigger, pause, zoom, cursors.

use super::samples::{Run, Samples};
use super::trigger::{Search, Trigger};

/// What follows a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The picture follows the samples when no trigger comes for a while.
    Auto,
    /// The picture stays until the next trigger.
    Normal,
    /// The picture stays for good.
    Single,
}

/// Part of the screen that is before the trigger.
const BEFORE: f64 = 0.25;
/// Spans without a trigger after which `Auto` follows the samples.
const PATIENCE: f64 = 4.0;
/// Factor of one step of the zoom.
const ZOOM: f64 = 2.0;

/// The window on the samples.
#[derive(Debug)]
pub(crate) struct View {
    from: f64,
    span: f64,
    mode: Mode,
    search: Option<Search>,
    /// Time of a trigger whose picture is not complete yet.
    pending: Option<f64>,
    /// Time of the trigger that is shown.
    shown: Option<f64>,
    /// Triggers before this time are ignored.
    earliest: f64,
    paused: bool,
    cursors: [Option<f64>; 2],
    active: usize,
    /// Traces above the first one that is shown.
    scrolled: usize,
}

impl View {
    /// A view of `span`, which follows the newest samples if there is no trigger.
    pub(crate) fn new(span: f64, trigger: Option<Trigger>, mode: Mode) -> Self {
        Self {
            from: 0.0,
            span,
            mode,
            search: trigger.map(Search::new),
            pending: None,
            shown: None,
            earliest: f64::NEG_INFINITY,
            paused: false,
            cursors: [None; 2],
            active: 0,
            scrolled: 0,
        }
    }

    /// Looks at a new frame.
    pub(crate) fn take(&mut self, run: &Run) {
        if self.paused {
            return;
        }
        let end = run.end;
        let Some(search) = &mut self.search else {
            self.from = end - self.span;
            return;
        };
        // The search sees every frame, so that it knows the sample before the next one.
        let found = search.next(run, self.earliest);
        if self.pending.is_none() {
            self.pending = found;
        }
        match self.pending {
            Some(at) if end >= at + self.span * (1.0 - BEFORE) => {
                self.from = at - self.span * BEFORE;
                self.shown = Some(at);
                self.pending = None;
                self.earliest = self.from + self.span;
                self.paused = self.mode == Mode::Single;
            }
            Some(_) => {}
            None => {
                let last = self.shown.unwrap_or(f64::NEG_INFINITY);
                if self.mode == Mode::Auto && end > last + self.span * PATIENCE {
                    self.shown = None;
                    self.from = end - self.span;
                }
            }
        }
    }

    /// Time of the left edge.
    pub(crate) fn from(&self) -> f64 {
        self.from
    }

    /// Time from the left edge to the right one.
    pub(crate) fn span(&self) -> f64 {
        self.span
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The trigger, and the time at which the shown one happened.
    pub(crate) fn trigger(&self) -> Option<(Trigger, Option<f64>)> {
        self.search.as_ref().map(|search| (search.trigger(), self.shown))
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Stops the picture, or lets it go on.
    pub(crate) fn pause(&mut self, samples: &Samples) {
        self.paused = !self.paused;
        self.pending = None;
        if !self.paused {
            // Otherwise an event of the past would be taken for one of now.
            self.earliest = samples.extent().map_or(f64::NEG_INFINITY, |(_, end)| end);
        }
    }

    /// Waits for one trigger, and pauses with it.
    pub(crate) fn single(&mut self, samples: &Samples) {
        self.mode = Mode::Single;
        self.paused = true;
        self.pause(samples);
    }

    /// Shows a shorter time, for a `steps` above zero, or a longer one. The middle stays, or the
    /// trigger if it is shown.
    pub(crate) fn zoom(&mut self, steps: i32) {
        let factor = ZOOM.powi(-steps);
        let span = (self.span * factor).clamp(1e-9, 1e9);
        let middle = self.from + self.span / 2.0;
        let fixed = self.shown.filter(|at| self.position(*at).is_some()).unwrap_or(middle);
        self.from = fixed - (fixed - self.from) * (span / self.span);
        self.span = span;
    }

    /// Moves the window by `part` of its width, and pauses.
    pub(crate) fn pan(&mut self, part: f64) {
        self.paused = true;
        self.from += self.span * part;
    }

    /// Shows all samples, and pauses.
    pub(crate) fn fit(&mut self, samples: &Samples) {
        if let Some((start, end)) = samples.extent() {
            self.paused = true;
            (self.from, self.span) = (start, (end - start).max(1e-9));
        }
    }

    /// Places cursor 0 or 1 in the middle, unless it is on the screen, and makes it the one that
    /// moves.
    pub(crate) fn place_cursor(&mut self, cursor: usize) {
        self.active = cursor;
        if self.cursors[cursor].is_none_or(|at| self.position(at).is_none()) {
            self.cursors[cursor] = Some(self.from + self.span / 2.0);
        }
    }

    /// Moves the active cursor by `part` of the window.
    pub(crate) fn move_cursor(&mut self, part: f64) {
        if let Some(at) = &mut self.cursors[self.active] {
            *at += self.span * part;
        }
    }

    pub(crate) fn clear_cursors(&mut self) {
        self.cursors = [None; 2];
    }

    pub(crate) fn cursors(&self) -> [Option<f64>; 2] {
        self.cursors
    }

    /// Time from the first cursor to the second.
    pub(crate) fn difference(&self) -> Option<f64> {
        Some(self.cursors[1]? - self.cursors[0]?)
    }

    /// Where a time is on the screen: 0 is the left edge and 1 the right one.
    pub(crate) fn position(&self, time: f64) -> Option<f64> {
        let position = (time - self.from) / self.span;
        (0.0..1.0).contains(&position).then_some(position)
    }

    pub(crate) fn scroll(&mut self, traces: isize, most: usize) {
        self.scrolled = self.scrolled.saturating_add_signed(traces).min(most);
    }

    pub(crate) fn scrolled(&self) -> usize {
        self.scrolled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of ten samples, one a unit of time, with bit 0 set from `edge` on.
    fn run(start: u32, edge: usize) -> Run {
        let start = f64::from(start);
        let values = (0..10).map(|index| i64::from(index >= edge)).collect();
        Run { start, end: start + 10.0, lost: 0, values }
    }

    fn view(mode: Mode) -> View {
        View::new(8.0, Some(Trigger::Rising(0)), mode)
    }

    #[test]
    fn without_a_trigger_the_view_follows_until_it_is_paused() {
        let mut view = View::new(8.0, None, Mode::Auto);
        let samples = Samples::new(100);
        view.take(&run(0, 0));
        assert_eq!(view.from(), 2.0);
        view.pause(&samples);
        view.take(&run(10, 0));
        assert_eq!((view.from(), view.is_paused()), (2.0, true));
        view.pause(&samples);
        view.take(&run(20, 0));
        assert_eq!(view.from(), 22.0);
    }

    #[test]
    fn a_trigger_is_shown_once_its_picture_is_complete() {
        let mut view = view(Mode::Normal);
        view.take(&run(0, 7));
        // The edge is at 7, and the picture needs samples up to 13.
        assert_eq!(view.trigger(), Some((Trigger::Rising(0), None)));
        view.take(&run(10, 0));
        assert_eq!(view.trigger(), Some((Trigger::Rising(0), Some(7.0))));
        assert_eq!((view.from(), view.position(7.0)), (5.0, Some(0.25)));
        // Without another trigger it stays.
        for start in 2..50 {
            view.take(&run(start * 10, 10));
        }
        assert_eq!(view.from(), 5.0);
    }

    #[test]
    fn auto_follows_when_no_trigger_comes() {
        let mut view = view(Mode::Auto);
        view.take(&run(0, 2));
        assert_eq!(view.from(), 0.0);
        view.take(&run(10, 10));
        view.take(&run(20, 10));
        assert_eq!(view.from(), 0.0);
        view.take(&run(30, 10));
        assert_eq!((view.from(), view.trigger()), (32.0, Some((Trigger::Rising(0), None))));
    }

    #[test]
    fn single_takes_one_trigger_until_it_is_armed_again() {
        let mut view = view(Mode::Single);
        let mut samples = Samples::new(1000);
        for start in [0, 10, 20] {
            samples.push(run(start, 2));
            view.take(&run(start, 2));
        }
        assert_eq!((view.from(), view.is_paused()), (0.0, true));
        view.single(&samples);
        assert!(!view.is_paused());
        view.take(&run(30, 2));
        assert_eq!((view.from(), view.is_paused()), (30.0, true));
    }

    #[test]
    fn zoom_keeps_the_trigger_or_the_middle() {
        let mut view = view(Mode::Normal);
        view.take(&run(0, 2));
        view.zoom(1);
        assert_eq!((view.span(), view.position(2.0)), (4.0, Some(0.25)));
        view.pan(2.0);
        let middle = view.from() + 2.0;
        view.zoom(-1);
        assert_eq!((view.span(), view.position(middle)), (8.0, Some(0.5)));
        assert!(view.is_paused());
    }

    #[test]
    fn cursors_tell_a_time() {
        let mut view = View::new(8.0, None, Mode::Auto);
        view.place_cursor(0);
        assert_eq!(view.difference(), None);
        view.place_cursor(1);
        view.move_cursor(0.25);
        assert_eq!((view.cursors(), view.difference()), ([Some(4.0), Some(6.0)], Some(2.0)));
        // A cursor on the screen stays where it is.
        view.place_cursor(0);
        view.move_cursor(-0.125);
        assert_eq!(view.difference(), Some(3.0));
        view.clear_cursors();
        assert_eq!(view.cursors(), [None, None]);
    }
}
