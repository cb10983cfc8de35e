//! `cotenant metrics`: what segments count, as text for scrapers; once, or for whoever asks by HTTP.

mod serve;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use cotenant::inspect::printable;
use cotenant::metrics::{Format, Snapshot};

use crate::look::{From, Row, State, Survey, View, Wanted, find};
use crate::output::{complain, finish};

const EXAMPLES: &str = "\
Examples:
  cotenant metrics acme.web                      what one segment counts, for Prometheus
  cotenant metrics                               all segments of this user, each metric with the label `segment`
  cotenant metrics acme.web --format openmetrics
  cotenant metrics --serve 9464                  http://127.0.0.1:9464/metrics, until it is interrupted
  cotenant metrics acme.web --serve 0.0.0.0:9464    for other machines, too: anybody who gets there can read it

Variables are named as in the program, in small letters; docs/metrics.md says more. Nothing is locked, and nobody who
counts is held up. A segment that is damaged, or gone meanwhile, is left out and named on standard error.

Exit status: 0 done, 1 failed or not all could be read, 2 wrong usage.";

/// Arguments of `cotenant metrics`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Metrics {
    /// Name, name@scope, file name or path; or the beginning of one
    #[arg(value_name = "NAME")]
    segment: Option<String>,
    /// Serves it by HTTP at this port of this machine alone, or at this address and port
    #[arg(long, value_name = "ADDR:PORT", value_parser = address)]
    serve: Option<SocketAddr>,
    /// The text's format; by HTTP whoever asks says which
    #[arg(long, value_enum, default_value_t = Text::Prometheus, conflicts_with = "serve")]
    format: Text,
    #[command(flatten)]
    from: From,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Text {
    /// Prometheus 0.0.4
    Prometheus,
    /// OpenMetrics 1.0.0
    Openmetrics,
}

impl Metrics {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let view = View::new(&self.from)?;
        // Before anybody is served, too: a name that is not there is a slip.
        let found = look(&view, self.segment.as_deref())?;
        found.complaints.iter().for_each(|why| complain(why));
        if let Some(address) = self.serve {
            let name = self.segment.clone();
            serve::serve(address, Rc::new(move || look(&view, name.as_deref())))?;
            return Ok(ExitCode::SUCCESS);
        }
        let format = if self.format == Text::Openmetrics { Format::OpenMetrics } else { Format::Prometheus };
        finish(std::io::stdout().lock().write_all(found.snapshot.render(format).as_bytes()))?;
        Ok(if found.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What was found, and what could not be read.
struct Found {
    snapshot: Snapshot,
    complaints: Vec<String>,
}

fn look(view: &View, name: Option<&str>) -> Result<Found> {
    if let Some(name) = name {
        let row = find(view, name)?;
        return Ok(Found { snapshot: of_row(&row)?, complaints: Vec::new() });
    }
    let mut found = Found { snapshot: Snapshot::new(), complaints: Vec::new() };
    let survey = Survey::take(view, Wanted { all: false, elsewhere: true })?;
    for row in survey.rows.iter().filter(|row| row.state != State::Dead) {
        match of_row(row) {
            Ok(snapshot) => found.snapshot.add(snapshot.with_label("segment", &row.path())),
            Err(why) => found.complaints.push(why.to_string()),
        }
    }
    Ok(found)
}

fn of_row(row: &Row) -> Result<Snapshot> {
    let Some(segment) = &row.segment else { bail!("{}", row.complaint()) };
    segment.metrics(&row.path()).map_err(|error| anyhow!("{}", printable(&error.to_string())))
}

/// `9464`, `:9464`, `127.0.0.1:9464`, `[::1]:9464`.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.strip_prefix(':').unwrap_or(text);
    let port =
        port.parse().map_err(|_| "neither a port (9464) nor an address and a port (127.0.0.1:9464)".to_owned())?;
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_this_machine_alone() {
        for text in ["9464", ":9464", "127.0.0.1:9464"] {
            assert_eq!(address(text), Ok("127.0.0.1:9464".parse().unwrap()));
        }
        assert_eq!(address("[::]:80").map(|address| address.to_string()), Ok("[::]:80".into()));
        for text in ["", "web:80", "0.0.0.0", "70000", "localhost"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
