//! The command lines of other programs that the man page translates: each translation is run as it
//! stands there.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::util::{Done, Net, Server, Spot, Tool, ms};

const SECTIONS: &str = include_str!("../../assets/sections.roff");

/// Where the names of the lines lead to, and what listens there.
const HOSTS: &str =
    "127.0.0.1 localhost\n127.0.0.2 www.google.com\n127.0.0.3 db\n127.0.0.4 cache\n";
const SERVERS: [(u8, u16); 8] = [
    (2, 80),
    (2, 81),
    (1, 8080),
    (1, 3306),
    (1, 6379),
    (1, 27017),
    (3, 5432),
    (4, 6379),
];

/// A line of another program, and ours.
struct Pair {
    theirs: String,
    ours: String,
}

/// All of them, as they are read, not as roff has them.
fn pairs() -> Vec<Pair> {
    let (_, rest) = SECTIONS
        .split_once("\n.SS Coming from ")
        .expect("the section");
    let (_, rest) = rest.split_once("\n.EX\n").expect("its lines");
    let (lines, _) = rest.split_once("\n.EE\n").expect("their end");
    let lines = lines.replace("\\-", "-").replace("\\(aq", "'");
    assert!(!lines.contains('\\'), "{lines}");
    let pairs = lines.split("\n\n").map(|pair| {
        let (theirs, ours) = pair.split_once('\n').expect("two lines");
        assert!(
            ours.starts_with("oxnc --wait-for ") && !ours.contains('\n'),
            "{pair}"
        );
        Pair {
            theirs: theirs.to_owned(),
            ours: ours.to_owned(),
        }
    });
    pairs.collect()
}

impl Pair {
    /// What the command writes, if there is one.
    fn output(&self) -> &'static [u8] {
        let commands: [(&str, &[u8]); 4] = [
            ("echo \"google is up\"", b"google is up\n"),
            ("./start-app.sh", b"started\n"),
            ("echo up", b"up\n"),
            ("echo free", b"free\n"),
        ];
        let of = |line: &str| {
            let mut known = commands.iter();
            let found = known.find(|(command, _)| line.ends_with(command));
            found.map_or(&b""[..], |(_, output)| output)
        };
        assert_eq!(of(&self.theirs), of(&self.ours), "{}", self.ours);
        of(&self.ours)
    }

    fn is_inverted(&self) -> bool {
        self.ours.contains(" --invert ")
    }

    /// Whether the command is executed in any case.
    fn is_lenient(&self) -> bool {
        self.ours.contains("; ")
    }

    fn limit(&self) -> &str {
        self.ours.split(' ').nth(2).expect("a limit")
    }
}

/// A namespace in which the lines can be run.
struct Site {
    net: Net,
    home: tempfile::TempDir,
    spot: Spot,
}

impl Site {
    fn new() -> Self {
        let net = Net::new();
        net.file("hosts", HOSTS);
        net.file("nsswitch.conf", "hosts: files\n");
        let home = tempfile::tempdir().expect("a directory");
        let script = home.path().join("start-app.sh");
        fs::write(&script, "#!/bin/sh\necho started\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_oxnc"), home.path().join("oxnc")).unwrap();
        Self {
            net,
            home,
            spot: Spot::new_socket(),
        }
    }

    fn up(&self) -> Vec<Server> {
        let places = SERVERS.map(|(last, port)| ([127, 0, 0, last], port));
        let servers = places.map(|place| self.net.inside(move || Server::on(place)));
        let unix = Server::at(self.spot.clone());
        servers.into_iter().chain([unix]).collect()
    }

    fn line(&self, line: &str) -> Tool {
        let socket = self.spot.path().to_str().expect("a plain path");
        let home = self.home.path().to_str().expect("a plain path");
        assert!(Path::new(socket).is_absolute());
        let line = line.replace("/run/app.sock", socket);
        // As careful scripts begin, which end where something fails that nobody has thought of.
        let script = format!("set -e; cd {home}; PATH={home}:$PATH; {line}");
        self.net.tool(Tool::program("sh", &["-c", &script]))
    }
}

#[track_caller]
fn does(done: &Done, code: i32, output: &[u8]) {
    done.exits(code).wrote(output);
}

#[test]
fn the_lines_are_those_that_these_programs_document() {
    let pairs = pairs();
    for program in ["wait-for-it.sh ", "wait4x tcp ", "dockerize -wait "] {
        let lines = pairs.iter().filter(|pair| pair.theirs.starts_with(program));
        assert!(lines.count() >= 3, "{program}");
    }
}

/// Targets and limits are the same.
#[test]
fn a_translation_says_what_is_said() {
    for pair in pairs() {
        let words: Vec<&str> = pair.theirs.split(' ').collect();
        let after = |option: &str| {
            let place = words.iter().position(|word| *word == option)?;
            words.get(place + 1).copied()
        };
        let own = words
            .iter()
            .find_map(|word| word.strip_prefix("--timeout="));
        let limit = own
            .or_else(|| after("-t"))
            .or_else(|| after("--timeout"))
            .or_else(|| after("-timeout"));
        let usual = if words[0] == "wait-for-it.sh" {
            "15"
        } else {
            "10s"
        };
        assert_eq!(pair.limit(), limit.unwrap_or(usual), "{}", pair.ours);
        for word in &words {
            let target = word.rsplit("://").next().unwrap();
            let is_target = target.contains(':') || word.contains("://");
            assert!(
                !is_target || pair.ours.contains(target),
                "{target} in {}",
                pair.ours
            );
        }
    }
}

#[test]
fn a_translation_ends_and_executes_when_all_is_as_it_should_be() {
    needs!("root");
    let site = Site::new();
    for pair in pairs().iter().filter(|pair| pair.is_inverted()) {
        does(&site.line(&pair.ours).run(), 0, pair.output());
    }
    let _servers = site.up();
    for pair in pairs().iter().filter(|pair| !pair.is_inverted()) {
        let done = site.line(&pair.ours).run();
        does(&done, 0, pair.output());
        assert_eq!(done.stderr, "", "{}", pair.ours);
    }
}

#[test]
fn a_translation_waits_and_executes_nothing_when_time_is_over() {
    needs!("root");
    let site = Site::new();
    let judge = |pair: &Pair| {
        let limit = format!("--wait-for {}", pair.limit());
        if pair.limit() == "0" {
            return site.line(&pair.ours).start().runs_on_for(ms(300));
        }
        let done = site
            .line(&pair.ours.replace(&limit, "--wait-for 0.2"))
            .run();
        match pair.is_lenient() {
            true => does(&done, 0, pair.output()),
            false => does(&done, 124, b""),
        }
        let is_quiet = pair.ours.ends_with("2>/dev/null");
        assert_eq!(
            done.stderr.lines().count(),
            usize::from(!is_quiet),
            "{}",
            done.stderr
        );
    };
    for pair in pairs().iter().filter(|pair| !pair.is_inverted()) {
        judge(pair);
    }
    let _servers = site.up();
    for pair in pairs().iter().filter(|pair| pair.is_inverted()) {
        judge(pair);
    }
}
