//! Hosts, ports and the words that name both.

/// A host name or a numeric address, as typed; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host(String);

/// A port number, or the name of a service that `getaddrinfo(3)` is to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// 1-65535, or 0 where the kernel may choose.
    Number(u16),
    /// A name such as `https`.
    Service(String),
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Port,
}
