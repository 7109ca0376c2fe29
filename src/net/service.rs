//! The names of ports.

use std::{
    collections::HashMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
};

use dns_lookup::getnameinfo;

use crate::os::{self, Service};

/// What services(5) calls a port, for TCP or for UDP: `getnameinfo(3)` with a numeric host, which
/// asks no name service about hosts. It reads the file anew each time; for many ports there is
/// [`ServiceNames`].
pub(crate) fn service_name(port: u16, datagrams: bool) -> Option<String> {
    let kind = if datagrams { libc::NI_DGRAM } else { 0 };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (_, service) = getnameinfo(&address, libc::NI_NUMERICHOST | kind).ok()?;
    (service != port.to_string()).then_some(service)
}

/// The names of many ports, all read at once where the system lists all that it knows. Elsewhere
/// each one is asked for once, and has none if there is no descriptor left to read it with.
#[derive(Debug)]
pub(crate) struct ServiceNames {
    datagrams: bool,
    known: HashMap<u16, Option<String>>,
    /// Whether a port that is not among them has no name.
    complete: bool,
}

impl ServiceNames {
    /// The names for TCP or for UDP. To be made while there are descriptors.
    pub(crate) fn new(datagrams: bool) -> Self {
        let known = match lists_all(fs::read_to_string("/etc/nsswitch.conf")) {
            true => by_port(os::services(), datagrams),
            false => HashMap::new(),
        };
        Self {
            datagrams,
            complete: !known.is_empty(),
            known,
        }
    }

    /// What a port is called.
    pub(crate) fn of(&mut self, port: u16) -> Option<&str> {
        if self.complete {
            return self.known.get(&port)?.as_deref();
        }
        let ask = || service_name(port, self.datagrams);
        self.known.entry(port).or_insert_with(ask).as_deref()
    }
}

/// Whether every name is listed, as nsswitch.conf(5) says: those in files are. A directory service
/// need not list what it answers.
fn lists_all(configuration: io::Result<String>) -> bool {
    let text = match configuration {
        Ok(text) => text,
        Err(e) => return e.kind() == io::ErrorKind::NotFound,
    };
    let mut lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    let sources = lines.find_map(|line| line.trim().strip_prefix("services:"));
    // Where nothing is said, it is the file.
    sources
        .unwrap_or("files")
        .split_whitespace()
        .all(|source| matches!(source, "files" | "db"))
}

/// The first name of each port counts.
fn by_port(services: Vec<Service>, datagrams: bool) -> HashMap<u16, Option<String>> {
    let mut known = HashMap::new();
    for service in services {
        if service.datagrams == datagrams {
            known.entry(service.port).or_insert(Some(service.name));
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_without_a_name_has_none() {
        assert_eq!(service_name(1, true), None);
        assert_eq!(ServiceNames::new(true).of(1), None);
    }

    #[test]
    fn many_ports_are_called_what_each_alone_is_called() {
        for datagrams in [false, true] {
            let mut listed = ServiceNames::new(datagrams);
            let mut asked = ServiceNames {
                datagrams,
                known: HashMap::new(),
                complete: false,
            };
            let mut ports: Vec<u16> = listed.known.keys().copied().collect();
            ports.extend(1..1024);
            for port in ports {
                let alone = service_name(port, datagrams);
                assert_eq!(listed.of(port), alone.as_deref(), "{port}");
                assert_eq!(asked.of(port), alone.as_deref(), "{port}");
            }
        }
    }

    #[test]
    fn what_is_listed_is_known_before_it_is_asked_for() {
        let listed = lists_all(fs::read_to_string("/etc/nsswitch.conf"));
        if listed && service_name(80, false).is_some() {
            let names = ServiceNames::new(false);
            assert!(names.complete && names.known.contains_key(&80));
        }
    }

    #[test]
    fn the_first_name_of_a_port_and_protocol_counts() {
        let service = |port, datagrams, name: &str| Service {
            port,
            datagrams,
            name: name.into(),
        };
        let services = vec![
            service(9, true, "a"),
            service(9, false, "b"),
            service(9, false, "c"),
        ];
        let known = by_port(services, false);
        assert_eq!(known, HashMap::from([(9, Some("b".into()))]));
    }

    #[test]
    fn only_files_list_all_that_they_know() {
        let lists = |text: &str| lists_all(Ok(text.into()));
        assert!(lists("hosts: files dns\nservices:       db files\n"));
        assert!(lists("hosts: dns # services: sss\n"));
        assert!(lists(" services: files # sss"));
        assert!(lists_all(Err(io::ErrorKind::NotFound.into())));
        assert!(!lists("services: files sss\n"));
        assert!(!lists("services: nis [NOTFOUND=return] files\n"));
        assert!(!lists_all(Err(io::ErrorKind::PermissionDenied.into())));
    }
}
