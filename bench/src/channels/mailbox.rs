//! A mailbox in shared memory, as people write it by hand: one message at a time, a word that says so, a word back.
//!
//! ```text
//! | sent | 7 words | taken | 7 words | the message |
//! ```

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::way::Way;

const SENT: usize = 0;
const TAKEN: usize = 8;
const MESSAGE: usize = 16;
/// Looks before this thread lets others run: with one processor nobody else could write.
const LOOKS: u32 = 2000;

/// Memory of one kind that this process and its child share.
pub(crate) trait Memory {
    /// So many words of zeros; for ever.
    fn words(count: usize) -> anyhow::Result<&'static [AtomicU64]>;
}

pub(crate) struct Mailbox<M> {
    words: &'static [AtomicU64],
    count: u64,
    message: Vec<u64>,
    memory: PhantomData<M>,
}

impl<M: Memory> Mailbox<M> {
    fn wait_for(&self, at: usize, count: u64) {
        let mut looks = 0;
        // Acquire pairs with the other side's Release.
        while self.words[at].load(Acquire) != count {
            looks += 1;
            if looks % LOOKS == 0 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

impl<M: Memory> Way for Mailbox<M> {
    fn make(bytes: usize) -> anyhow::Result<Self> {
        let message = vec![0; bytes.div_ceil(8)];
        let words = M::words(MESSAGE + message.len())?;
        words.iter().for_each(|word| word.store(0, Relaxed));
        Ok(Mailbox { words, count: 0, message, memory: PhantomData })
    }

    fn send(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.wait_for(TAKEN, self.count);
        for (to, from) in self.words[MESSAGE..].iter().zip(message.chunks(8)) {
            let mut word = [0; 8];
            word[..from.len()].copy_from_slice(from);
            to.store(u64::from_ne_bytes(word), Relaxed);
        }
        self.count += 1;
        self.words[SENT].store(self.count, Release);
        Ok(())
    }

    fn receive(&mut self) -> anyhow::Result<u64> {
        self.count += 1;
        self.wait_for(SENT, self.count);
        for (to, from) in self.message.iter_mut().zip(&self.words[MESSAGE..]) {
            *to = from.load(Relaxed);
        }
        self.words[TAKEN].store(self.count, Release);
        Ok(self.message[0])
    }
}
