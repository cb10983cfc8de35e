//! A prefork HTTP server in a few dozen lines, with one cache for all its workers, measured with it and without.
//!
//! Each worker is a process that accepts connections from one socket and renders pages, which takes it 2 ms. With the
//! cache, one worker renders a page and all others send it. The measuring is done by the program itself.

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    server::measure()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this example forks; examples/memoize.rs shows the cache on every system");
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // fork
mod server {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use cotenant::Backing;
    use cotenant::cache::Cache;

    const WORKERS: usize = 4;
    const REQUESTS: usize = 400;
    const PAGES: usize = 20;
    const PAGE_TTL: Duration = Duration::from_secs(60);

    fn render(path: &str) -> Vec<u8> {
        std::thread::sleep(Duration::from_millis(2)); // a data base, templates ...
        format!("<h1>{path}</h1>").repeat(50).into_bytes()
    }

    fn serve(listener: &TcpListener, cache: Option<&Cache>) -> Result<(), Box<dyn std::error::Error>> {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream?);
            let mut request = String::new();
            stream.read_line(&mut request)?;
            // To the end of the head: a connection that is closed with something unread is reset.
            let mut line = String::new();
            while stream.read_line(&mut line)? > 2 {
                line.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or("/");
            let page = match cache {
                Some(cache) => cache.get_or_insert_with(path, PAGE_TTL, || render(path))?,
                None => render(path),
            };
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            stream.get_mut().write_all(&[head.as_bytes(), &page].concat())?;
        }
        Ok(())
    }

    /// Starts the workers; gives their process ids.
    fn prefork(listener: &TcpListener, cache: Option<&Cache>) -> Vec<i32> {
        let fork = |_| {
            // SAFETY: this program has one thread.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: no pointer: the worker ends with its parent.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                let _ = serve(listener, cache);
                std::process::exit(1);
            }
            pid
        };
        (0..WORKERS).map(fork).collect()
    }

    fn get(server: SocketAddr, path: &str) -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(server)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)
    }

    fn end(worker: i32) {
        // SAFETY: no pointer; our own child, which nobody has waited for.
        unsafe { libc::kill(worker, libc::SIGKILL) };
        // SAFETY: our own child; no place for a status.
        unsafe { libc::waitpid(worker, std::ptr::null_mut(), 0) };
    }

    fn requests_a_second(cache: Option<&Cache>) -> Result<f64, Box<dyn std::error::Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let workers = prefork(&listener, cache);
        let start = Instant::now();
        for number in 0..REQUESTS {
            let path = format!("/page/{}", number * 7 % PAGES);
            assert!(get(listener.local_addr()?, &path)? > 500, "a whole page");
            if number == REQUESTS / 2 {
                // A worker that is killed takes nothing of the cache with it; of a connection it would.
                end(workers[0]);
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        workers[1..].iter().for_each(|worker| end(*worker));
        Ok(REQUESTS as f64 / seconds)
    }

    pub(super) fn measure() -> Result<(), Box<dyn std::error::Error>> {
        // Inherited by the workers. Unrelated programs would open it by a name: `open_or_create("acme.pages")`.
        let options = Cache::options().capacity_bytes(4 << 20).backing(Backing::Anonymous);
        let cache = options.create("pages")?;
        println!("without a cache: {:.0} requests a second", requests_a_second(None)?);
        println!("with one for all: {:.0} requests a second", requests_a_second(Some(&cache))?);
        let stats = cache.stats();
        println!("{} pages of {} bytes, each rendered once", stats.entries, stats.bytes);
        Ok(())
    }
}
