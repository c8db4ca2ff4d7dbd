//! Taking in the connections that leave a sandbox, and carrying out their plans.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::OriginalDst;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::allow_host::AllowHosts;
use super::config::{Config, Update};
use super::intercept::{self, Decision, Tunnel};
use super::name_service::{self, Finding};
use super::names::Names;
use super::plan::{self, Otherwise, Target};
use super::policy;
use super::sniff::{LONGEST, Sniffed, sniff};
use super::tls::Authority;
use crate::relay::{accept, relay};

/// Outgoing connections of one sandbox at one time.
const AT_ONCE: usize = 4_096;
/// How long a client may keep silent before it is taken for one whose server speaks first.
const SILENCE: Duration = Duration::from_millis(300);
/// How long a client of an intercepted name may keep silent: only HTTP is intercepted, where the client always speaks first, and
/// some open a connection before they have anything to say.
const SILENCE_OF_INTERCEPTED: Duration = Duration::from_secs(60);
/// How long the rest of an opening may take once it has begun.
const FINISHING: Duration = Duration::from_secs(5);
/// How long a server of the internet may take to accept.
const CONNECTING: Duration = Duration::from_secs(15);

/// The way out of one sandbox.
#[derive(Debug)]
pub struct Egress {
    sandbox: String,
    allowed: Arc<AllowHosts>,
    authority: Authority,
    config: Mutex<Config>,
    names: Mutex<Names>,
}

impl Egress {
    /// The way out of the sandbox called `sandbox` in logs, closed but for the allowed services.
    pub fn new(sandbox: &str, allowed: Arc<AllowHosts>, authority: Authority) -> Self {
        Self {
            sandbox: sandbox.to_owned(),
            allowed,
            authority,
            config: Mutex::default(),
            names: Mutex::default(),
        }
    }

    /// Takes over what the edge says.
    pub fn configure(&self, update: Update) {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).apply(update);
    }

    /// What is in force now.
    pub fn config(&self) -> Config {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The certificate authority of this sandbox.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What a name means here.
    pub(super) fn find(&self, name: &str) -> Finding {
        name_service::find(
            name,
            &self.allowed,
            &self.config.lock().unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The address that stands for a name here.
    pub(super) fn stand_in(&self, name: &str) -> Ipv4Addr {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .address_of(name)
    }

    /// Takes in connections for as long as it is polled.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
            let client = accept(&listener).await;
            let egress = Arc::clone(&self);
            tokio::spawn(async move {
                let _turn = turn;
                if let Err(error) = egress.carry(client).await {
                    tracing::debug!(sandbox = egress.sandbox, %error, "outgoing connection ended");
                }
            });
        }
    }

    async fn carry(&self, mut client: TcpStream) -> io::Result<()> {
        let destination = getsockopt(&client, OriginalDst)?;
        let destination = SocketAddrV4::new(
            u32::from_be(destination.sin_addr.s_addr).into(),
            u16::from_be(destination.sin_port),
        );
        let target = {
            let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            plan::target(destination, &self.allowed, &names)
        };
        client.set_nodelay(true)?;
        let config = self.config();
        // The first bytes matter to intercepts alone. An allowed service may speak first.
        let silence = match target {
            Target::Named(..) => Some(SILENCE_OF_INTERCEPTED),
            Target::Address(_) if !config.intercepts.is_empty() => Some(SILENCE),
            _ => None,
        };
        let mut opening = Vec::new();
        let sniffed = match silence {
            Some(silence) => read_opening(&mut client, &mut opening, silence).await?,
            None => Sniffed::Other,
        };
        let plan = plan::plan(&target, sniffed.host_name(), &config, &policy::host_addresses());

        let mut tunnel = None;
        if let (Some(destination), Some(edge_port)) = (plan.ask_edge, config.edge_port) {
            let name = match &target {
                Target::Named(name, _) => Some(name.as_str()),
                _ => None,
            };
            match intercept::ask(edge_port, destination, &sniffed, name).await {
                Ok(Decision::Intercepted(tunnel)) => {
                    let name = name.or(sniffed.host_name());
                    return self.intercept(client, opening, &sniffed, name, tunnel).await;
                }
                Ok(Decision::PassThrough(through)) => tunnel = Some(through),
                Err(error) => {
                    tracing::warn!(sandbox = self.sandbox, %destination, %error, "the edge could not be asked");
                    return reset(client);
                }
            }
        }
        let server = match (plan.otherwise, tunnel) {
            (Otherwise::ThroughEdge, Some(mut tunnel)) => {
                client.write_all(&tunnel.early).await?;
                tunnel.early.clear();
                Ok(tunnel.stream)
            }
            (Otherwise::ThroughEdge, None) => return reset(client),
            (Otherwise::Direct(address), _) => connect(address).await,
            (Otherwise::Resolve(name, port), _) => connect_by_name(&name, port).await,
            (Otherwise::Refuse(refusal), _) => {
                tracing::info!(sandbox = self.sandbox, %destination, %refusal, "outgoing connection refused");
                return reset(client);
            }
        };
        let Ok(mut server) = server else { return reset(client) };
        server.write_all(&opening).await?;
        relay(&mut client, &mut server).await
    }

    /// Hands a connection to the edge, which speaks plain HTTP: TLS ends here.
    async fn intercept(
        &self,
        client: TcpStream,
        opening: Vec<u8>,
        sniffed: &Sniffed,
        name: Option<&str>,
        mut tunnel: Tunnel,
    ) -> io::Result<()> {
        let (from_client, to_client) = client.into_split();
        let mut client = tokio::io::join(std::io::Cursor::new(opening).chain(from_client), to_client);
        let early = std::mem::take(&mut tunnel.early);
        match (sniffed, name) {
            (Sniffed::Tls(_), Some(name)) => {
                let config = self.authority.serve_as(name).map_err(io::Error::other)?;
                let mut client = TlsAcceptor::from(config).accept(client).await?;
                client.write_all(&early).await?;
                relay(&mut client, &mut tunnel.stream).await
            }
            _ => {
                client.write_all(&early).await?;
                relay(&mut client, &mut tunnel.stream).await
            }
        }
    }
}

/// Reads until it is clear what the client speaks, or it has kept silent for too long.
async fn read_opening(client: &mut TcpStream, opening: &mut Vec<u8>, silence: Duration) -> io::Result<Sniffed> {
    let mut patience = silence;
    loop {
        let sniffed = sniff(opening);
        if sniffed != Sniffed::Incomplete || opening.len() >= LONGEST {
            return Ok(sniffed);
        }
        match tokio::time::timeout(patience, client.read_buf(opening)).await {
            Ok(Ok(0)) | Err(_) => return Ok(Sniffed::Other),
            Ok(read) => read.map(drop)?,
        }
        patience = FINISHING;
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = tokio::time::timeout(CONNECTING, TcpStream::connect(address))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_by_name(name: &str, port: u16) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::from(io::ErrorKind::NotFound));
    for address in name_service::public_addresses(name).await {
        outcome = connect(SocketAddr::from((address, port))).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Ends a connection so that the client sees a failure at once, and not an empty answer.
fn reset(client: TcpStream) -> io::Result<()> {
    client.set_zero_linger()?;
    drop(client);
    Ok(())
}
