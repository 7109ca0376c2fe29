//! Start-up scripts as people write them, in every shell there is.

use std::os::unix::fs::symlink;

use super::silent;
use crate::util::{Done, Net, Server, Tool, ms};

/// A namespace where `db` and `cache` are known, with their servers.
struct Site {
    net: Net,
    servers: Vec<Server>,
    bin: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        let net = Net::new();
        net.file(
            "hosts",
            "127.0.0.1 localhost\n127.0.0.2 db\n127.0.0.3 cache\n",
        );
        net.file("nsswitch.conf", "hosts: files\n");
        let bin = tempfile::tempdir().expect("a directory");
        symlink(env!("CARGO_BIN_EXE_oxnc"), bin.path().join("oxnc")).unwrap();
        Self {
            net,
            servers: Vec::new(),
            bin,
        }
    }

    /// The same with both servers.
    fn up() -> Self {
        let mut site = Self::new();
        site.start();
        site
    }

    fn start(&mut self) {
        let places = [([127, 0, 0, 2], 5432), ([127, 0, 0, 3], 6379)];
        let servers = places.map(|place| self.net.inside(move || Server::on(place)));
        self.servers.extend(servers);
    }

    /// A script with arguments, where oxnc is found as it is by its name.
    fn script(&self, shell: &str, script: &str, words: &[&str]) -> Tool {
        let path = std::env::var("PATH").unwrap();
        let path = format!("PATH={}:{path}", self.bin.path().display());
        let tool = Tool::program(shell, &["-c", script, "start.sh"]).args(words);
        self.net.tool(tool.under(&["env", &path]))
    }

    /// The same in each shell.
    fn each(&self, script: &str, words: &[&str], judge: impl Fn(&Done)) {
        for shell in ["dash", "bash", "sh"] {
            if crate::util::missing(&[shell]).is_none() {
                judge(&self.script(shell, script, words).run());
            }
        }
    }
}

#[test]
fn unquoted_words_are_targets_and_a_command() {
    needs!("root");
    let site = Site::up();
    let script = r#"
        TARGETS="db:5432 cache:6379"
        COMMAND="echo all is up"
        oxnc --wait-for 30s $TARGETS -- $COMMAND"#;
    site.each(script, &[], |done| {
        done.succeeds().wrote(b"all is up\n");
    });
    for server in &site.servers {
        server.accept();
    }
}

/// An empty COMMAND is no word at all; quoted it would be an empty one.
#[test]
fn without_a_command_it_is_just_waited() {
    needs!("root");
    let site = Site::up();
    let script = "COMMAND=; oxnc --wait-for 30s db:5432 -- $COMMAND && echo up";
    site.each(script, &[], |done| {
        done.succeeds().wrote(b"up\n");
    });
    let script = "COMMAND=; oxnc --wait-for 30s db:5432 -- \"$COMMAND\"";
    site.each(script, &[], |done| {
        done.fails(2, &["the command behind '--' is empty"]);
    });
}

/// Nothing to wait for is most likely a variable that nobody has set.
#[test]
fn without_targets_it_is_a_mistake() {
    needs!("root");
    let site = Site::new();
    site.each("oxnc --wait-for 30s $TARGETS -- echo up", &[], |done| {
        done.fails(2, &["HOST:PORT"]).wrote(b"");
    });
}

#[test]
fn with_set_e_a_script_ends_where_nobody_has_come() {
    needs!("root");
    let site = Site::new();
    let script = "set -e\noxnc --wait-for 0.2 db:5432 cache:6379\necho not reached";
    site.each(script, &[], |done| {
        done.fails(
            124,
            &["db (127.0.0.2) port 5432", "cache (127.0.0.3) port 6379"],
        )
        .wrote(b"");
    });
    let site = Site::up();
    let script = "set -eu\noxnc --wait-for 30 db:5432 cache:6379\necho reached";
    site.each(script, &[], |done| {
        done.succeeds().wrote(b"reached\n");
    });
}

#[test]
fn the_status_is_for_conditions_of_all_kinds() {
    needs!("root");
    let site = Site::new();
    let script = r#"
        oxnc --wait-for 0.1 db:5432 2>/dev/null || echo "status $?"
        if oxnc --wait-for 0.1 db:5432 2>/dev/null; then echo up; else echo down; fi
        ! oxnc --wait-for 0.1 db:5432 -- echo not reached 2>/dev/null && echo down
        n=0; until oxnc --wait-for 0.1 db:5432 2>/dev/null || [ $n = 2 ]; do n=$((n + 1)); done
        echo $n"#;
    site.each(script, &[], |done| {
        done.exits(0).wrote(b"status 124\ndown\ndown\n2\n");
    });
}

/// An entry point of a container: what was given is executed, with its own quotes.
#[test]
fn an_entry_point_becomes_what_it_was_given() {
    needs!("root");
    let mut site = Site::new();
    let script = "set -eu\nexec oxnc --wait-for 60s db:5432 cache:6379 -- \"$@\"";
    let words = ["sh", "-c", "echo $$ \"$1\"; exit 3", "sh", "a  b"];
    let run = site.script("sh", script, &words).start();
    run.runs_on_for(ms(200));
    site.start();
    let pid = run.pid();
    let done = run.wait();
    done.exits(3).wrote(format!("{pid} a  b\n").as_bytes());
    assert_eq!(done.stderr, "");
}

#[test]
fn a_loop_over_targets_waits_for_one_after_another() {
    needs!("root");
    let site = Site::up();
    let script = r#"
        for target in db:5432 cache:6379; do
          oxnc --wait-for 10 "$target" || exit
          echo "$target"
        done"#;
    site.each(script, &[], |done| {
        done.succeeds().wrote(b"db:5432\ncache:6379\n");
    });
    let script = r#"oxnc --wait-for 10 "${DB_HOST:-db}" "${DB_PORT:-5432}" && echo up"#;
    site.each(script, &[], |done| {
        done.succeeds().wrote(b"up\n");
    });
}

/// Without a terminal, and with stdin closed, as init systems and cron start what they start.
#[test]
fn it_is_silent_whatever_stdin_is() {
    needs!("root");
    let site = Site::up();
    site.each("oxnc --wait-for 10 db:5432 <&-", &[], |done| {
        silent(done, 0)
    });
    site.each(
        "oxnc --wait-for 10 db:5432 </dev/null >/dev/full",
        &[],
        |done| {
            silent(done, 0);
        },
    );
}
