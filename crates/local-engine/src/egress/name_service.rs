//! The name service of a sandbox: it answers for the edge's intercepts and the allowed services, and asks the host's resolver for the
//! rest when the internet is open.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use super::allow_host::AllowHosts;
use super::config::Config;
use super::listener::Egress;
use super::policy;
use crate::relay::accept;

/// Seconds that an answer may be kept. Short: intercepts come and go while a sandbox runs.
const TTL: u32 = 10;
/// Look-ups at one time for one sandbox.
const AT_ONCE: usize = 64;
/// How long the host's resolver may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is answered to a question for the address of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// This address.
    Address(Ipv4Addr),
    /// The address that stands for the name, so that the edge gets to decide.
    StandIn,
    /// The public addresses that the host's resolver finds.
    Public,
    /// The same, but the stand-in when there are none: an intercept may match any destination.
    PublicOrStandIn,
    /// There is no such name.
    Unknown,
}

/// What `name`, in lower case and without a final dot, means.
pub fn find(name: &str, allowed: &AllowHosts, config: &Config) -> Finding {
    if name == "localhost" || name.ends_with(".localhost") {
        return Finding::Address(Ipv4Addr::LOCALHOST);
    }
    if let Some(address) = allowed.address_of(name) {
        return Finding::Address(address);
    }
    if !super::allow_host::is_host_name(name) {
        return Finding::Unknown;
    }
    match (
        config.intercepts_name(name),
        config.intercepts_anything(),
        config.internet,
    ) {
        (true, _, _) | (false, true, false) => Finding::StandIn,
        (false, true, true) => Finding::PublicOrStandIn,
        (false, false, true) => Finding::Public,
        (false, false, false) => Finding::Unknown,
    }
}

/// Public IPv4 addresses of a name by the host's resolver.
pub async fn public_addresses(name: &str) -> Vec<Ipv4Addr> {
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, 0))).await;
    let Ok(Ok(found)) = found else { return Vec::new() };
    let host = policy::host_addresses();
    found
        .filter_map(|address| match address.ip() {
            IpAddr::V4(address) => policy::check(address.into(), true, &host).is_ok().then_some(address),
            IpAddr::V6(_) => None,
        })
        .collect()
}

/// Answers questions over UDP for as long as it is polled.
pub async fn serve_udp(egress: Arc<Egress>, socket: UdpSocket) {
    let socket = Arc::new(socket);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut question = vec![0; 4_096];
    loop {
        // The kernel reports here that an earlier answer found nobody any more.
        let Ok((length, from)) = socket.recv_from(&mut question).await else {
            continue;
        };
        let Some(question) = question.get(..length).map(<[u8]>::to_vec) else {
            continue;
        };
        // A client whose question is dropped asks again.
        let Ok(turn) = Arc::clone(&turns).try_acquire_owned() else {
            continue;
        };
        let (egress, socket) = (Arc::clone(&egress), Arc::clone(&socket));
        tokio::spawn(async move {
            let _turn = turn;
            if let Some(answer) = answer(&egress, &question).await {
                drop(socket.send_to(&answer, from).await);
            }
        });
    }
}

/// Answers questions over TCP for as long as it is polled.
pub async fn serve_tcp(egress: Arc<Egress>, listener: TcpListener) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let stream = accept(&listener).await;
        let egress = Arc::clone(&egress);
        tokio::spawn(async move {
            let _turn = turn;
            drop(tokio::time::timeout(PATIENCE * 2, converse(&egress, stream)).await);
        });
    }
}

async fn converse(egress: &Egress, mut stream: TcpStream) -> io::Result<()> {
    loop {
        let mut question = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(egress, &question).await else {
            return Ok(());
        };
        stream
            .write_u16(u16::try_from(answer.len()).map_err(io::Error::other)?)
            .await?;
        stream.write_all(&answer).await?;
    }
}

/// The answer to one message; `None` for what is no question.
async fn answer(egress: &Egress, question: &[u8]) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    if question.metadata.message_type != MessageType::Query {
        return None;
    }
    let mut answer = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
    answer.metadata.recursion_desired = question.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    let [query] = question.queries.as_slice() else {
        answer.metadata.response_code = ResponseCode::FormErr;
        return answer.to_vec().ok();
    };
    answer.add_query(query.clone());
    if question.metadata.op_code != OpCode::Query {
        answer.metadata.response_code = ResponseCode::NotImp;
        return answer.to_vec().ok();
    }
    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    // A name that exists has no records of any other type here: an empty answer lets the client go on with IPv4.
    let wants_address = query.query_type() == RecordType::A;
    let addresses = match egress.find(&name) {
        Finding::Unknown => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            Vec::new()
        }
        _ if !wants_address => Vec::new(),
        Finding::Address(address) => vec![address],
        Finding::StandIn => vec![egress.stand_in(&name)],
        finding => {
            let found = public_addresses(&name).await;
            if !found.is_empty() {
                found
            } else if finding == Finding::PublicOrStandIn {
                vec![egress.stand_in(&name)]
            } else {
                answer.metadata.response_code = ResponseCode::NXDomain;
                Vec::new()
            }
        }
    };
    for address in addresses {
        answer.add_answer(Record::from_rdata(query.name().clone(), TTL, RData::A(A(address))));
    }
    answer.to_vec().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(intercepts: &[&str], internet: bool) -> Config {
        Config {
            edge_port: Some(1),
            intercepts: intercepts.iter().map(|name| (*name).to_owned()).collect(),
            internet,
            edge_connects_onwards: internet,
        }
    }

    #[test]
    fn without_internet_only_the_edges_names_and_the_allowed_ones_exist() {
        let allowed = AllowHosts::new(["model.local=127.0.0.1:1".parse().unwrap()]);
        let config = with(&["edge.internal", "*.molt.test"], false);
        assert_eq!(find("edge.internal", &allowed, &config), Finding::StandIn);
        assert_eq!(find("a.molt.test", &allowed, &config), Finding::StandIn);
        assert_eq!(
            find("model.local", &allowed, &config),
            Finding::Address(allowed.address_of("model.local").unwrap())
        );
        assert_eq!(find("example.com", &allowed, &config), Finding::Unknown);
        assert_eq!(
            find("localhost", &allowed, &config),
            Finding::Address(Ipv4Addr::LOCALHOST)
        );
    }

    #[test]
    fn with_internet_the_rest_is_looked_up_on_the_host() {
        let allowed = AllowHosts::default();
        assert_eq!(
            find("example.com", &allowed, &with(&["edge.internal"], true)),
            Finding::Public
        );
        assert_eq!(
            find("edge.internal", &allowed, &with(&["edge.internal"], true)),
            Finding::StandIn
        );
    }

    #[test]
    fn an_intercept_of_everything_makes_every_name_exist() {
        let allowed = AllowHosts::default();
        assert_eq!(find("example.com", &allowed, &with(&["*"], false)), Finding::StandIn);
        assert_eq!(
            find("example.com", &allowed, &with(&["*"], true)),
            Finding::PublicOrStandIn
        );
        assert_eq!(find("not a name", &allowed, &with(&["*"], true)), Finding::Unknown);
    }

    #[tokio::test]
    async fn a_name_of_the_host_itself_is_no_public_name() {
        assert!(public_addresses("localhost").await.is_empty());
    }
}
