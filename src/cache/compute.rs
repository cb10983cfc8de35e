//! `get_or_insert_with` and its kin: what is missing is computed once, by one of all processes.

use std::time::Duration;

use super::cache::{Cache, Stale};
use super::counts::Event;
use super::flight::{Awaited, Computing, Flight, Waited};
use crate::error::{Error, Result};

/// What is to be done about a key.
enum Next {
    /// The value is there.
    Take(Vec<u8>),
    /// This thread computes it; `None`: without the others' knowledge.
    Compute(Option<Computing>),
    /// Somebody else computes it.
    Wait(Awaited),
}

/// Computing what is not there. `make` runs without a lock of the cache, so it may use the cache for other keys.
impl Cache {
    /// The value of a key; if there is none, `make` computes it and it is inserted. Of all who ask for it meanwhile, in
    /// all processes, one computes and the others wait. If that one panics or is killed, one of those who wait
    /// computes.
    ///
    /// `make` may ask for other keys in the same way. If others who compute these wait for what this thread computes,
    /// however far around, it computes them itself, for nobody else: so nobody waits for ever. Of several caches it
    /// cannot tell, so who computes a key of one cache waits for nobody who computes one of another. What `make` waits
    /// for by other means (a thread that asks for the same key) is not seen.
    ///
    /// What is computed is given also if the cache cannot take it (too long, all pinned). At most 32 keys of each shard
    /// are computed in single flight at a time; what is more is computed by each for itself.
    ///
    /// ```
    /// # use cotenant::cache::Cache;
    /// # let name = &format!("example.compute.{}", std::process::id());
    /// let cache = Cache::options().capacity_bytes(1 << 20).open_or_create(name)?;
    /// let page = cache.get_or_insert_with("/", None, || b"rendered".to_vec())?;
    /// assert_eq!(page, b"rendered");
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldDeadlock`: `make` asked for the key that it computes. Else as of [`insert`](Cache::insert), if the cache
    /// could not be asked whether somebody computes.
    pub fn get_or_insert_with(
        &self,
        key: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Result<Vec<u8>> {
        self.try_get_or_insert_with(key, ttl, || Ok::<_, Error>(make()))
    }

    /// As [`get_or_insert_with`](Cache::get_or_insert_with), with a `make` that may fail: then nothing is inserted, and
    /// one of those who wait computes.
    ///
    /// # Errors
    ///
    /// That of `make`, or as of `get_or_insert_with`.
    pub fn try_get_or_insert_with<E: From<Error>>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: impl Into<Option<Duration>>,
        make: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Vec<u8>, E> {
        let key = key.as_ref();
        let computing = loop {
            match self.look(key)? {
                Next::Take(value) => return Ok(value),
                Next::Compute(computing) => break computing,
                Next::Wait(flight) => {
                    self.count(Event::Awaited);
                    if flight.wait(&self.memory)? == Waited::InCircle {
                        break None;
                    }
                }
            }
        };
        self.compute(key, ttl.into(), make, computing)
    }

    /// Stale while it is computed: as [`get_or_insert_with`](Cache::get_or_insert_with), but an entry whose time has
    /// been over for at most `stale_for` is given while somebody else computes it anew. So one in all processes waits
    /// for `make`, and nobody else does.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cotenant::cache::Cache;
    /// # let name = &format!("example.refresh.{}", std::process::id());
    /// let cache = Cache::options().capacity_bytes(1 << 20).open_or_create(name)?;
    /// let (ttl, stale_for) = (Duration::from_secs(1), Duration::from_secs(60));
    /// let rates = cache.get_or_refresh_with("rates", ttl, stale_for, || b"1.08".to_vec())?;
    /// # assert_eq!(rates, b"1.08");
    /// # Ok::<(), cotenant::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As of `get_or_insert_with`.
    pub fn get_or_refresh_with(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        stale_for: Duration,
        make: impl FnOnce() -> Vec<u8>,
    ) -> Result<Vec<u8>> {
        self.try_get_or_refresh_with(key, ttl, stale_for, || Ok::<_, Error>(make()))
    }

    /// As [`get_or_refresh_with`](Cache::get_or_refresh_with), with a `make` that may fail: then the entry stays as it
    /// is, and the next one who asks computes.
    ///
    /// # Errors
    ///
    /// That of `make`, or as of `get_or_insert_with`.
    pub fn try_get_or_refresh_with<E: From<Error>>(
        &self,
        key: impl AsRef<[u8]>,
        ttl: Duration,
        stale_for: Duration,
        make: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
    ) -> std::result::Result<Vec<u8>, E> {
        let key = key.as_ref();
        let computing = loop {
            match self.look(key)? {
                Next::Take(value) => return Ok(value),
                Next::Compute(computing) => break computing,
                Next::Wait(flight) => match self.get_stale(key) {
                    Some(Stale { value, expired_for }) if expired_for.is_none_or(|for_| for_ <= stale_for) => {
                        return Ok(value);
                    }
                    _ => {
                        self.count(Event::Awaited);
                        if flight.wait(&self.memory)? == Waited::InCircle {
                            break None;
                        }
                    }
                },
            }
        };
        self.compute(key, Some(ttl), make, computing)
    }

    /// Gives the value, or says who computes it.
    fn look(&self, key: &[u8]) -> Result<Next> {
        if let Some(value) = self.get(key) {
            return Ok(Next::Take(value));
        }
        let (shard, probe) = self.lock_for(key)?;
        if shard.find_fresh(probe, key)?.is_some() {
            // Inserted meanwhile.
            drop(shard);
            if let Some(value) = self.get(key) {
                return Ok(Next::Take(value));
            }
            return self.look_again(key);
        }
        Ok(next(shard.begin_flight(probe)?))
    }

    /// It went in the moment after it came.
    #[cold]
    fn look_again(&self, key: &[u8]) -> Result<Next> {
        let (shard, probe) = self.lock_for(key)?;
        Ok(next(shard.begin_flight(probe)?))
    }

    fn compute<E: From<Error>>(
        &self,
        key: &[u8],
        ttl: Option<Duration>,
        make: impl FnOnce() -> std::result::Result<Vec<u8>, E>,
        computing: Option<Computing>,
    ) -> std::result::Result<Vec<u8>, E> {
        let value = make()?;
        self.count(Event::Computed);
        // The value is right, whether the cache takes it or not.
        let _ = self.insert(key, &value, ttl);
        // Dropped behind the insertion: who waits finds the value.
        drop(computing);
        Ok(value)
    }
}

fn next(flight: Flight) -> Next {
    match flight {
        Flight::Ours(computing) => Next::Compute(Some(computing)),
        Flight::Theirs(awaited) => Next::Wait(awaited),
        Flight::Untold => Next::Compute(None),
    }
}
