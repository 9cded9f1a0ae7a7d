//! The server itself: a socket, connections with time limits, an end on request.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::guard::Hosts;
use crate::limits::{MAX_CONNECTIONS, SENDING};
use crate::routes::router;
use crate::state::App;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A name or address of this machine: `127.0.0.1` keeps everyone else out.
    pub host: String,
    /// The port; 0 takes one that is free.
    pub port: u16,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message of each variant names its fields")]
pub enum ServeError {
    /// The name has no address.
    #[error(
        "`{host}` is no address of this machine: {source}. Leave --host out to listen on loopback"
    )]
    Host { host: String, source: io::Error },

    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}. Try another --port, or 0 for any that is free")]
    Bind { address: SocketAddr, source: io::Error },

    /// The operating system refused.
    #[error("the server cannot run: {0}")]
    Io(#[from] io::Error),
}

/// A server that has its port, and waits to be run.
///
/// # Examples
///
/// ```
/// use firstguess_web::{Options, Server};
/// let server = Server::bind(&Options { host: "127.0.0.1".to_owned(), port: 0 })?;
/// assert!(server.address().ip().is_loopback());
/// server.run(std::future::ready(()))?;
/// # Ok::<(), firstguess_web::ServeError>(())
/// ```
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    hosts: Hosts,
}

/// Connections that are open get this long to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// After an error of `accept` (too many open files): no busy loop.
const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// [`ServeError`] if the host is unknown or the port is taken.
    pub fn bind(options: &Options) -> Result<Self, ServeError> {
        let host = options.host.trim();
        let of_host = |source| ServeError::Host { host: host.to_owned(), source };
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let mut addresses = (bare, options.port).to_socket_addrs().map_err(of_host)?;
        let address = addresses.next().ok_or_else(|| {
            of_host(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
        })?;
        let bind = |source| ServeError::Bind { address, source };
        let listener = TcpListener::bind(address).map_err(bind)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, hosts: Hosts::new(host, address.ip()) })
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser on this machine.
    pub fn url(&self) -> String {
        if self.address.ip().is_unspecified() {
            return format!("http://localhost:{}/", self.address.port());
        }
        format!("http://{}/", self.address)
    }

    /// Answers until the process is interrupted.
    ///
    /// # Errors
    ///
    /// [`ServeError::Io`] if the operating system refuses.
    pub fn run_until_interrupted(self) -> Result<(), ServeError> {
        self.run(async {
            // Where no signal can be waited for, the process ends as ever.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// Answers until `stop` is ready; then ensembles are cancelled and connections closed.
    ///
    /// # Errors
    ///
    /// As [`Self::run_until_interrupted`].
    pub fn run(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        // Connections need one thread; what computes has its own.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let app = App::new();
        let jobs = Arc::clone(app.jobs());
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener)?;
            let service = TowerToHyperService::new(router(app, self.hosts));
            let open = GracefulShutdown::new();
            let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(SENDING).max_buf_size(64 << 10);
            let mut stop = std::pin::pin!(stop);
            loop {
                // At the limit, new connections wait in the system's queue.
                let place = Arc::clone(&places).acquire_owned();
                let accepting = async { (place.await, listener.accept().await) };
                let accepting = std::pin::pin!(accepting);
                let Either::Right(((place, accepted), _)) = select(stop.as_mut(), accepting).await
                else {
                    break;
                };
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                // Answers are small and wanted now.
                drop(stream.set_nodelay(true));
                let connection = http.serve_connection(TokioIo::new(stream), service.clone());
                let connection = open.watch(connection);
                tokio::spawn(async move {
                    // A client that breaks off is no fault.
                    drop(connection.await);
                    drop(place);
                });
            }
            drop(listener);
            jobs.close();
            drop(timeout(FAREWELL, open.shutdown()).await);
            Ok(())
        });
        // A computation under way is not waited for.
        runtime.shutdown_background();
        served
    }
}
