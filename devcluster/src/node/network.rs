//! The addresses of a cluster with a node, and the cable between the machine and the node.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::error::Error;

/// How many clusters with a node fit on a machine.
const SLOTS: u8 = 16;

/// Clusters side by side differ by a number, of which the name of the cable's outer end is the lock: the kernel lets
/// nobody else have it, and takes it back with the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    slot: u8,
}

impl Network {
    #[cfg(test)]
    pub(crate) fn of_slot(slot: u8) -> Network {
        Network { slot }
    }

    /// The outer end of the cable.
    pub(crate) fn link(&self) -> String {
        format!("devcluster{}", self.slot)
    }

    /// The machine, as the node sees it: API server and CoreDNS listen there.
    pub(crate) fn host(&self) -> String {
        format!("10.200.{}.1", self.slot)
    }

    pub(crate) fn node(&self) -> String {
        format!("10.200.{}.2", self.slot)
    }

    pub(crate) fn pods(&self) -> String {
        format!("10.244.{}.0/24", self.slot)
    }

    pub(crate) fn services(&self) -> String {
        format!("10.96.{}.0/24", self.slot)
    }

    /// The address of the service `kubernetes`, which is the first one.
    pub(crate) fn kubernetes(&self) -> String {
        format!("10.96.{}.1", self.slot)
    }

    pub(crate) fn dns(&self) -> String {
        format!("10.96.{}.10", self.slot)
    }

    /// For `NO_PROXY`: no proxy of the outside world knows these.
    pub(crate) fn no_proxy(&self, before: &str) -> String {
        let own = format!(
            "{},{},{},{},.cluster.local",
            self.host(),
            self.node(),
            self.pods(),
            self.services()
        );
        if before.is_empty() {
            own
        } else {
            format!("{before},{own}")
        }
    }

    /// Takes the first free slot, and connects the network namespace of the process `inside`.
    pub(crate) fn connect(inside: u32) -> Result<Network, Error> {
        let network = (0..SLOTS)
            .map(|slot| Network { slot })
            .find_map(|network| match network.plug(inside) {
                Ok(true) => Some(Ok(network)),
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            })
            .ok_or(Error::TooManyNodes(SLOTS.into()))??;
        network.configure(inside)?;
        Ok(network)
    }

    /// Whether the slot was free.
    fn plug(&self, inside: u32) -> Result<bool, Error> {
        let (link, inside) = (self.link(), inside.to_string());
        let args = [
            "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &inside,
        ];
        let output = run(Command::new("ip").args(args), "")?;
        if output.status.success() {
            return Ok(true);
        }
        let said = said(&output);
        if said.contains("File exists") {
            return Ok(false);
        }
        Err(Error::Network {
            what: "a veth pair (kernel option VETH)",
            said,
        })
    }

    fn configure(&self, inside: u32) -> Result<(), Error> {
        let (link, host, node) = (self.link(), self.host(), self.node());
        let (pods, services) = (self.pods(), self.services());
        let outer = format!(
            "address add {host}/30 dev {link}\nlink set {link} up\n\
             route add {pods} via {node}\nroute add {services} via {node}\n"
        );
        let inner = format!(
            "address add {node}/30 dev eth0\nlink set eth0 up\nlink set lo up\nroute add default via {host}\n"
        );
        let mut ip = Command::new("ip");
        succeed(
            &run(ip.args(["-batch", "-"]), &outer)?,
            "the routes to the node",
        )?;
        let mut ip = Command::new("nsenter");
        ip.arg(format!("--net=/proc/{inside}/ns/net"));
        succeed(
            &run(ip.args(["ip", "-batch", "-"]), &inner)?,
            "the node's address",
        )
    }

    /// By which the watchdog knows that an interface is still this one.
    pub(crate) fn index(&self) -> Result<String, Error> {
        let path = format!("/sys/class/net/{}/ifindex", self.link());
        let path = Path::new(&path);
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .map_err(Error::io("read", path))
    }
}

fn run(command: &mut Command, input: &str) -> Result<Output, Error> {
    let spawn_failed = |source| Error::Spawn {
        program: "ip (of iproute2)".to_owned(),
        source,
    };
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(spawn_failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever has ended already says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(spawn_failed)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn succeed(output: &Output, what: &'static str) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    Err(Error::Network {
        what,
        said: said(output),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_side_by_side_share_no_address_and_names_fit_the_kernel() {
        let of = |slot| {
            let network = Network { slot };
            [
                network.link(),
                network.host(),
                network.node(),
                network.pods(),
                network.services(),
                network.dns(),
            ]
        };
        for (one, other) in of(0).iter().zip(of(SLOTS - 1)) {
            assert_ne!(one, &other);
        }
        // IFNAMSIZ is 16, with the NUL.
        assert!(of(SLOTS - 1)[0].len() < 16);
    }

    #[test]
    fn what_was_exempt_from_a_proxy_stays_so() {
        let network = Network { slot: 3 };
        assert_eq!(
            network.no_proxy("example.com"),
            "example.com,10.200.3.1,10.200.3.2,10.244.3.0/24,10.96.3.0/24,.cluster.local"
        );
        assert!(network.no_proxy("").starts_with("10.200.3.1,"));
    }
}
