//! `cotenant cache`: what is in a shared cache, and changes to it, as its programs would make them.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use cotenant::cache::{Cache as SharedCache, CacheOptions, CacheReader, CacheStats};
use cotenant::inspect::live::LiveObject;
use cotenant::schema::Kind;
use serde_json::{Value, json};

use crate::look::Row;
use crate::output::finish;
use crate::{human, input};

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
const HIT_RATIO: &str = "hit_ratio";

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
        #[arg(long, value_name = "DUR", value_parser = human::duration)]
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
        let stats = document(&cache.stats());
        let mut out = std::io::stdout().lock();
        finish(if self.json {
            let path = cache.segment().path();
            writeln!(out, "{}", json!({ "schema": SCHEMA, "cache": path, "object": self.object, "stats": stats }))
        } else {
            let rows = stats.as_object().into_iter().flatten();
            rows.filter(|(_, number)| !number.is_null()).try_for_each(|(name, number)| {
                let ratio = number.as_f64().filter(|_| name == HIT_RATIO).map(|it| format!("{:.1} %", it * 100.0));
                let name = if ratio.is_some() { "hit ratio" } else { name };
                writeln!(out, "{name:<18} {}", ratio.unwrap_or_else(|| number.to_string()))
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
            let value_bytes = entry.value.len();
            let document =
                json!({ "schema": SCHEMA, "key": key, "value_bytes": value_bytes, "expires_in_ms": expires_in_ms });
            writeln!(out, "{document}")
        }))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What is told of a cache by its numbers.
pub(crate) fn document(stats: &CacheStats) -> Value {
    let activity = &stats.activity;
    let asked = activity.hits + activity.misses;
    json!({
        "entries": stats.entries,
        "bytes": stats.bytes,
        "capacity_bytes": stats.capacity_bytes,
        "hits": activity.hits,
        "misses": activity.misses,
        HIT_RATIO: if asked == 0 { Value::Null } else { (activity.hits as f64 / asked as f64).into() },
        "stale_hits": activity.stale_hits,
        "inserts": activity.inserts,
        "computed": activity.computed,
        "awaited": activity.awaited,
        "removed": stats.removed,
        "evicted_for_space": stats.evicted_for_space,
        "evicted_expired": stats.evicted_expired,
        "evicted_by_index": stats.evicted_by_index,
        "repairs": stats.repairs,
    })
}

/// Options for the cache that an object of a segment is, and the segment's name.
fn options_of(row: &Row, object: &LiveObject) -> Result<(CacheOptions, String)> {
    let found = row.description().zip(row.facts).zip(row.local_folder());
    let Some(((it, facts), folder)) = found.filter(|((it, _), _)| it.backing == "posix") else {
        bail!("{} has no name by which it could be joined: only its own programs see into its caches", row.path());
    };
    let options = SharedCache::options().folder(folder).mode(facts.mode).object(object.name());
    let options = if it.scope.is_empty() { options } else { options.scope(&it.scope) };
    Ok((options, it.name.clone()))
}

/// Memory that a cache got when it grew: no cache of its own.
pub(crate) fn is_extent(object: &LiveObject) -> bool {
    let number = object.name().rsplit_once(" +").map(|(_, number)| number);
    let is_number = number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()));
    object.kind() == Some(Kind::Cache) && is_number
}

/// Reads the cache that an object of a segment is: as a reader, who counts as somebody that is attached.
pub(crate) fn reader_of(row: &Row, object: &LiveObject) -> Result<CacheReader> {
    let (options, name) = options_of(row, object)?;
    options.open_reader(&name).map_err(|error| anyhow!("{}", row.by_its_name(&error.to_string())))
}

/// The value of an entry; `None`: there is none.
pub(crate) fn entry(row: &Row, object: &LiveObject, key: &str) -> Result<Option<Vec<u8>>> {
    Ok(reader_of(row, object)?.get(key_of(key)?))
}

/// Puts an entry into the cache that an object of a segment is, as its programs do; gives the value before.
pub(crate) fn put(
    row: &Row,
    object: &LiveObject,
    key: &str,
    value: &str,
    ttl: Option<Duration>,
) -> Result<(Option<Vec<u8>>, Vec<u8>)> {
    let (options, name) = options_of(row, object)?;
    let (key, value) = (key_of(key)?, words(value)?);
    let before = reader_of(row, object)?.get(&key);
    let cache = options.open(&name).map_err(|error| anyhow!("{}", row.by_its_name(&error.to_string())))?;
    cache.insert(key, &value, ttl).map_err(|error| anyhow!("{error}"))?;
    Ok((before, value))
}

/// Text as it is; what is none, or does not fit into a line, as digits that `key_of` understands.
pub(crate) fn shown(bytes: &[u8]) -> String {
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
    if value == "-" { input::bytes() } else { Ok(value.as_bytes().to_vec()) }
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
