//! `cotenant cache`: what is in a shared cache, and changes to it, as its programs would make them.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use cotenant::cache::{Cache as SharedCache, CacheOptions, CacheReader};
use serde_json::{Value, json};

use crate::output::finish;

const EXAMPLES: &str = "\
Examples:
  cotenant cache acme.pages stats
  cotenant cache acme.pages get /index.html > index.html
  cotenant cache acme.pages set motd 'back at ten' --ttl 2h
  cotenant cache acme.pages set logo - < logo.png        from standard input
  cotenant cache acme.pages keys | head
  cotenant cache acme.pages del /index.html
  cotenant cache acme.jobs --object pages clear          a cache among other objects of a segment

Keys that begin with hex: are hexadecimal digits, and so are shown keys that are no text. `stats`, `get` and `keys`
write nothing to the cache, and count as no hit or miss.

Exit status: 0 done, 1 failed, or there is no such entry; 2 wrong usage.";

/// The version of the documents.
const SCHEMA: u32 = 1;
const HEX: &str = "hex:";
/// Bytes of a value on standard input.
const INPUT_BYTES_MAX: u64 = 1 << 30;

/// Arguments of `cotenant cache`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cache {
    /// Name, or name@scope, of its segment
    #[arg(value_name = "NAME")]
    name: String,
    /// What the cache is called among the objects of the segment
    #[arg(long, value_name = "OBJECT", default_value = "cache")]
    object: String,
    /// Writes one JSON document in each line (docs/tool.md)
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints what happened in it, and what is in it
    Stats,
    /// Prints a value, as it is
    Get {
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Puts a value into it
    Set {
        #[arg(value_name = "KEY")]
        key: String,
        /// The value; - reads it from standard input
        #[arg(value_name = "VALUE", allow_hyphen_values = true)]
        value: String,
        /// How long it is to live; for ever without this
        #[arg(long, value_name = "DUR", value_parser = humantime::parse_duration)]
        ttl: Option<Duration>,
    },
    /// Removes an entry
    Del {
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Prints the keys
    Keys,
    /// Removes all entries
    Clear,
}

impl Cache {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Stats => self.stats(&self.reader()?),
            Action::Get { key } => self.get(&self.reader()?, key),
            Action::Keys => self.keys(&self.reader()?),
            Action::Set { key, value, ttl } => {
                let inserted = self.open()?.insert(key_of(key)?, words(value)?, *ttl);
                inserted.map_err(|error| anyhow!("{error}"))?;
                Ok(ExitCode::SUCCESS)
            }
            Action::Del { key } => match self.open()?.remove(key_of(key)?)? {
                true => Ok(ExitCode::SUCCESS),
                false => bail!("there is no entry `{key}` in {}", self.name),
            },
            Action::Clear => {
                self.open()?.clear()?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn options(&self) -> (CacheOptions, &str) {
        let options = SharedCache::options().object(&self.object);
        match self.name.split_once('@') {
            Some((name, scope)) => (options.scope(scope), name),
            None => (options, &self.name),
        }
    }

    fn open(&self) -> Result<SharedCache> {
        let (options, name) = self.options();
        options.open(name).map_err(|error| anyhow!("{error}"))
    }

    fn reader(&self) -> Result<CacheReader> {
        let (options, name) = self.options();
        options.open_reader(name).map_err(|error| anyhow!("{error}"))
    }

    fn stats(&self, cache: &CacheReader) -> Result<ExitCode> {
        let stats = cache.stats();
        let activity = stats.activity;
        let asked = activity.hits + activity.misses;
        let rows = [
            ("entries", stats.entries),
            ("bytes", stats.bytes),
            ("capacity_bytes", stats.capacity_bytes),
            ("hits", activity.hits),
            ("misses", activity.misses),
            ("stale_hits", activity.stale_hits),
            ("inserts", activity.inserts),
            ("computed", activity.computed),
            ("awaited", activity.awaited),
            ("removed", stats.removed),
            ("evicted_for_space", stats.evicted_for_space),
            ("evicted_expired", stats.evicted_expired),
            ("evicted_by_index", stats.evicted_by_index),
            ("repairs", stats.repairs),
        ];
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            let numbers = rows.iter().map(|(name, number)| ((*name).to_owned(), Value::from(*number)));
            let document = json!({
                "schema": SCHEMA, "cache": cache.segment().path(), "object": self.object,
                "stats": serde_json::Map::from_iter(numbers),
            });
            writeln!(out, "{document}")
        } else {
            rows.iter().try_for_each(|(name, number)| writeln!(out, "{name:<18} {number}")).and_then(|()| {
                if asked == 0 {
                    return Ok(());
                }
                writeln!(out, "{:<18} {:.1} %", "hit ratio", activity.hits as f64 * 100.0 / asked as f64)
            })
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn get(&self, cache: &CacheReader, key: &str) -> Result<ExitCode> {
        let Some(value) = cache.get(key_of(key)?) else { bail!("there is no entry `{key}` in {}", self.name) };
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            writeln!(out, "{}", json!({ "schema": SCHEMA, "key": key, "value": shown(&value) }))
        } else {
            out.write_all(&value).and_then(|()| out.flush())
        })?;
        Ok(ExitCode::SUCCESS)
    }

    fn keys(&self, cache: &CacheReader) -> Result<ExitCode> {
        let mut out = std::io::stdout().lock();
        finish(cache.iter().try_for_each(|entry| {
            let key = shown(&entry.key);
            if !self.json {
                return writeln!(out, "{key}");
            }
            let expires_in_ms = entry.expires_in.map(|time| time.as_millis() as u64);
            let document = json!({ "key": key, "value_bytes": entry.value.len(), "expires_in_ms": expires_in_ms });
            writeln!(out, "{document}")
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Text as it is; what is none, or does not fit into a line, as digits that `key_of` understands.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) && !text.starts_with(HEX) => text.to_owned(),
        _ => bytes.iter().fold(HEX.to_owned(), |shown, byte| format!("{shown}{byte:02x}")),
    }
}

fn key_of(text: &str) -> Result<Vec<u8>> {
    let Some(digits) = text.strip_prefix(HEX) else { return Ok(text.as_bytes().to_vec()) };
    let bytes = digits.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
    });
    bytes.collect::<Option<_>>().with_context(|| format!("`{text}` is no key: hex: wants pairs of hexadecimal digits"))
}

fn words(value: &str) -> Result<Vec<u8>> {
    if value != "-" {
        return Ok(value.as_bytes().to_vec());
    }
    let mut bytes = Vec::new();
    let mut input = std::io::stdin().lock().take(INPUT_BYTES_MAX);
    input.read_to_end(&mut bytes).context("cannot read the value from standard input")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_are_no_text_come_back_as_they_were() {
        for bytes in [b"plain".as_slice(), b"", b"\x00\xff", b"two\nlines", b"hex:00", "größe".as_bytes()] {
            assert_eq!(key_of(&shown(bytes)).expect("a key"), bytes);
        }
        assert!(key_of("hex:0").is_err() && key_of("hex:zz").is_err());
    }
}
