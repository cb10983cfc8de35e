//! `cotenant top`: a screen of segments, who is in them, and what their locks, queues, caches and counters are doing.
//!
//! ```text
//! Sampler   looks once in an interval, at no more than the page shown needs     (reads only)
//!  Page     headings, rows of cells, each with what it is sorted by
//! State     which page, sorted and filtered how, which row                      (keys change it)
//! screen    draws it with ratatui
//! ```

mod keys;
mod objects;
mod page;
mod sampler;
mod screen;
mod state;
mod tables;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::human;
use crate::look::{From, View};
use page::Tab;
use sampler::Sampler;
use state::State;

const EXAMPLES: &str = "\
Examples:
  cotenant top                          the segments of this user
  cotenant top --tab locks              who holds what, and who waits
  cotenant top acme --interval 500ms    what has acme in its name
  sudo cotenant top --all

Keys:
  1-8, Tab     segments, participants, locks, queues, caches, counters, published, events
  Up, Down     choose a row (also j, k, PgUp, PgDn, Home, End)
  Enter, Esc   into a segment, down to its live values; back
  < >, r       sort by the column before or behind; the other way round
  /            filter: rows that have this text
  p            pause        + -  look less or more often
  ?            help         q    quit

It only reads, takes no slot and no lock, and needs no permission to write. Without a terminal it says what to use
instead: `cotenant ls --json`, `watch`, `trace`.

Exit status: 0 done, 1 failed, 2 wrong usage.";

/// The shortest and the longest time from one look to the next.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Arguments of `cotenant top`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Top {
    /// Shows only what has this text in its row
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// From one look to the next
    #[arg(long, value_name = "DUR", default_value = "1s", value_parser = human::duration)]
    interval: Duration,
    /// Begins with this page
    #[arg(long, value_enum, default_value_t = Tab::Segments)]
    tab: Tab,
    /// Also the segments of other users
    #[arg(long, short)]
    all: bool,
    /// Ends after this time
    #[arg(long = "for", value_name = "DUR", value_parser = human::duration)]
    duration: Option<Duration>,
    #[command(flatten)]
    from: From,
}

/// Whoever ends us from outside (`kill`, a session that is closed) finds the terminal as it was. What ends a process at
/// once, SIGKILL, leaves it to `reset`.
fn give_the_terminal_back_at_signals() -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT]).context("cannot wait for signals")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            ratatui::restore();
            // As if we had not been asked.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    });
    Ok(())
}

impl Top {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            bail!(
                "top needs a terminal; for programs there are `cotenant ls --json`, `watch --json` and `trace --json`"
            );
        }
        let mut sampler = Sampler::new(View::new(&self.from)?, self.all);
        let mut state = State::new(self.tab, self.filter.clone(), self.interval.clamp(INTERVALS.0, INTERVALS.1));
        // Before the screen changes: an error here is a line.
        state.page = sampler.look(&state)?;
        give_the_terminal_back_at_signals()?;
        let mut terminal = ratatui::try_init().context("cannot draw on this terminal")?;
        let done = self.go_on(&mut terminal, &mut sampler, &mut state);
        ratatui::restore();
        done.map(|()| ExitCode::SUCCESS)
    }

    fn go_on(&self, terminal: &mut ratatui::DefaultTerminal, sampler: &mut Sampler, state: &mut State) -> Result<()> {
        let end = self.duration.map(|duration| Instant::now() + duration);
        let mut next = Instant::now() + state.interval;
        let mut is_changed = true;
        while !state.is_over && end.is_none_or(|end| Instant::now() < end) {
            if is_changed {
                terminal.draw(|frame| screen::draw(frame, state)).context("cannot draw on this terminal")?;
            }
            let wait = next.min(end.unwrap_or(next)).saturating_duration_since(Instant::now());
            // Nothing wakes us but a key, a new size of the terminal, or the next look.
            is_changed = event::poll(wait).context("cannot read keys")?;
            if is_changed {
                match event::read().context("cannot read keys")? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => keys::press(state, key),
                    _ => {}
                }
            }
            let is_due = Instant::now() >= next;
            if state.wants_look || is_due && !state.is_paused {
                state.wants_look = false;
                let page = sampler.look(state)?;
                state.show(page);
                is_changed = true;
            }
            if is_due {
                next = Instant::now() + state.interval;
            }
        }
        Ok(())
    }
}
