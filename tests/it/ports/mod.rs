//! Testing many ports, or one many times (`-z`): that what is told is exact, that states are told
//! apart, and that nothing is left behind, wherever and in whatever form it is asked for.

mod banner;
mod ends;
mod exact;
mod json;
mod lacking;
mod limits;
mod measure;
mod nothing_left;
mod progress;
mod states;
mod table;
mod targets;
mod udp;
mod unread;

use std::{collections::BTreeSet, net::Ipv4Addr};

use serde_json::Value;

use crate::util::{Done, Net, Server, Tool, schema::PortLines};

/// What was written with `--json`: nothing but lines that keep to the schema, and move no terminal.
#[track_caller]
fn records(done: &Done) -> Vec<Value> {
    moves_no_terminal(done);
    PortLines::new().read(&done.stdout)
}

/// The same where it is so much that the schema would take too long.
#[track_caller]
fn objects(done: &Done) -> Vec<Value> {
    moves_no_terminal(done);
    let lines = done.stdout.split_inclusive(|byte| *byte == b'\n');
    let object = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let object = serde_json::from_str(&line).ok().filter(Value::is_object);
        object.unwrap_or_else(|| panic!("{}: {line:?}", done.line))
    };
    lines.map(object).collect()
}

#[track_caller]
fn moves_no_terminal(done: &Done) {
    let text = str::from_utf8(&done.stdout).expect("UTF-8");
    let harmful = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(harmful, None, "{}: {text:?}", done.line);
}

/// The number of the port of a record.
fn port(record: &Value) -> u16 {
    let port = record["port"].as_u64().expect("a port");
    port.try_into().expect("a port's number")
}

/// The state in a record.
fn state(record: &Value) -> &str {
    record["state"].as_str().expect("a state")
}

/// The ports in a table, in its order.
#[track_caller]
pub(crate) fn in_table(done: &Done) -> Vec<u16> {
    let text = str::from_utf8(&done.stdout).expect("UTF-8");
    let port = |line: &str| {
        let word = line.split(' ').nth(1).unwrap_or_default();
        let port = word.strip_suffix("/tcp").and_then(|port| port.parse().ok());
        port.unwrap_or_else(|| panic!("{}: {line:?}", done.line))
    };
    text.lines().map(port).collect()
}

/// A namespace in which these ports of 127.0.0.1 are open.
struct Ports {
    net: Net,
    servers: Vec<Server>,
}

impl Ports {
    fn open(ports: &[u16]) -> Self {
        let net = Net::new();
        let wanted = ports.to_vec();
        let listen = |port| Server::on((Ipv4Addr::LOCALHOST, port));
        let servers = net.inside(move || wanted.into_iter().map(listen).collect());
        Self { net, servers }
    }

    fn oxnc(&self, words: &[&str]) -> Tool {
        self.net.tool(Tool::oxnc(words))
    }

    /// The same with no more than so many descriptors.
    fn oxnc_with_descriptors(&self, most: u32, words: &[&str]) -> Tool {
        let script = format!("ulimit -n {most}; exec \"$@\"");
        self.net
            .tool(Tool::oxnc(words).under(&["sh", "-c", &script, "sh"]))
    }

    /// The ports that are open according to the kernel.
    fn listening(&self) -> BTreeSet<u16> {
        let done = self.net.tool(Tool::program("ss", &["-Hltn"])).run();
        let text = String::from_utf8_lossy(&done.exits(0).stdout).into_owned();
        let port = |line: &str| {
            let local = line.split_whitespace().nth(3)?;
            local.rsplit_once(':')?.1.parse().ok()
        };
        text.lines().filter_map(port).collect()
    }
}

/// Neither stdout nor stderr has anything.
#[track_caller]
pub(crate) fn silent(done: &Done, code: i32) {
    done.exits(code).wrote(b"");
    assert_eq!(done.stderr, "", "{}", done.line);
}

/// How many ports were in which state, as the closing line has it.
#[track_caller]
pub(crate) fn counted(done: &Done) -> String {
    let line = done.stderr.lines().last().unwrap_or_default();
    let (count, rest) = line
        .strip_prefix("oxnc: ")
        .and_then(|line| line.split_once(" in "))
        .unwrap_or_else(|| panic!("{}: {:?}", done.line, done.stderr));
    let (time, states) = rest.split_once(" s: ").unwrap_or((rest, ""));
    assert!(time.parse::<f64>().is_ok(), "{line:?}");
    format!("{count}: {states}")
}
