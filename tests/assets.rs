//! The man page and the completions are rendered from the definition of the command line and kept
//! in the repository, where packagers look for them. `BLESS=1` rewrites them.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test, its helpers too"
)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use clap::Arg;
use clap_complete::{Shell, generate};
use clap_mangen::{
    Man,
    roff::{Inline, Roff, bold, italic, roman},
};
use oxnc::cli;

/// The sections that no definition knows.
const SECTIONS: &str = include_str!("assets/sections.roff");

#[test]
fn the_man_page_is_up_to_date() {
    compare("man/oxnc.1", &man_page());
}

#[test]
fn the_completions_are_up_to_date() {
    for (shell, file) in COMPLETIONS {
        compare(file, &completion(*shell));
    }
}

/// `mandoc` wants a date in the title line, which would have to change although nothing else does.
#[test]
fn the_man_page_is_clean() {
    let page = man_page();
    if let Some(said) = output("mandoc", &["-T", "lint"], &page) {
        let complaints: Vec<_> = said
            .lines()
            .filter(|line| !line.contains("missing date"))
            .collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
    if let Some(said) = output("groff", &["-man", "-ww", "-z", "-T", "utf8"], &page) {
        assert_eq!(said, "");
    }
}

#[test]
fn the_completions_are_read_by_their_shells() {
    for (shell, _) in COMPLETIONS {
        if let Some(said) = output(&shell.to_string(), &["-n"], &completion(*shell)) {
            assert_eq!(said, "", "{shell}");
        }
    }
}

const COMPLETIONS: &[(Shell, &str)] = &[
    (Shell::Bash, "completions/oxnc.bash"),
    (Shell::Zsh, "completions/_oxnc"),
    (Shell::Fish, "completions/oxnc.fish"),
];

fn completion(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut cli::command(), "oxnc", &mut script);
    let script = without_trailing_blanks(&String::from_utf8(script).unwrap());
    match shell {
        // A colon ends the field of zsh's list that the name of the value stands in.
        Shell::Zsh => ["fd:N|FILE", "FILE|fd:N", "HOST[:PORT]", "LEVEL:NAME:VALUE"]
            .into_iter()
            .fold(script, |script, name| {
                let escaped = name.replace(':', "\\:");
                script.replace(&format!(":{name}:"), &format!(":{escaped}:"))
            }),
        _ => script,
    }
}

fn man_page() -> String {
    let mut command = cli::command();
    command.build();
    // Without the quotes an empty date would be no argument at all, and the next one taken for it.
    let man = Man::new(command.clone())
        .title("OXNC")
        .date("\"\"")
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();

    let mut roff = Roff::new();
    // Option names are to be found and copied as they are: no hyphenation, no stretched lines.
    roff.control("nh", []);
    roff.control("ad", ["l"]);
    let about = command.get_about().unwrap().to_string();
    let (initial, rest) = about.split_at(1);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("oxnc - {}{rest}", initial.to_lowercase()))]);
    page.extend(roff.render().into_bytes());

    man.render_synopsis_section(&mut page).unwrap();
    for section in [
        description(&command, &about),
        options(&command),
        exit_status(),
    ] {
        page.extend(section.render().into_bytes());
    }
    page.extend(SECTIONS.bytes());
    tidy(&String::from_utf8(page).unwrap())
}

fn description(command: &clap::Command, about: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    let long = command.get_long_about().unwrap().to_string();
    let body = long.strip_prefix(about).unwrap().trim_start();
    for (n, paragraph) in body.split("\n\n").enumerate() {
        if n > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(sentences(paragraph))]);
    }
    roff
}

/// The options under their headings. clap_mangen would make each heading a section of its own, and
/// leave blank lines in the texts, which man(7) does not want.
fn options(command: &clap::Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["OPTIONS"]);
    let mut heading = None;
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            roff.control("SS", heading);
        }
        roff.control("TP", []);
        roff.text(spelling(arg));
        let first = arg.get_help().unwrap().to_string();
        let long = arg
            .get_long_help()
            .map(|text| text.to_string())
            .unwrap_or_default();
        // The line that `-h` shows has no full stop, and begins the paragraph here.
        let rest = long.strip_prefix(&first).unwrap_or_default().trim_start();
        roff.text([roman(sentences(&format!("{first}. {rest}")))]);
    }
    roff
}

fn spelling(arg: &Arg) -> Vec<Inline> {
    let mut line = Vec::new();
    if let Some(short) = arg.get_short() {
        line.extend([bold(format!("-{short}")), roman(", ")]);
    }
    match arg.get_long() {
        Some(long) => line.push(bold(format!("--{long}"))),
        // It stands behind the end of the options.
        None => {
            let name = arg.get_value_names().unwrap().first().unwrap();
            return vec![
                bold("--"),
                roman(" "),
                italic(name.to_string()),
                roman("..."),
            ];
        }
    }
    if let Some([name]) = arg
        .get_value_names()
        .filter(|_| arg.get_num_args().unwrap().takes_values())
    {
        let optional = arg.get_num_args().unwrap().min_values() == 0;
        line.push(roman(if optional { "[=" } else { " " }));
        line.push(italic(name.to_string()));
        line.push(roman(if optional { "]" } else { "" }));
    }
    line
}

fn exit_status() -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in cli::EXIT_STATUS {
        roff.control("TP", []);
        roff.text([bold(*code)]);
        roff.text([roman(*meaning)]);
    }
    roff
}

/// Each sentence begins a line, as man pages are written, and no line is long.
fn sentences(text: &str) -> String {
    // In roff a dash takes two bytes and an apostrophe five.
    let width =
        |text: &str| text.len() + text.matches('-').count() + 4 * text.matches('\'').count();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(word);
        } else if line.ends_with('.') || width(line) + width(word) >= 79 {
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// One preamble is enough, and nothing ends in blanks.
fn tidy(page: &str) -> String {
    let preamble = |line: &&str| line.starts_with(".ie \\n(.g") || line.starts_with(".el .ds Aq");
    let (head, rest): (Vec<&str>, Vec<&str>) = page.lines().partition(preamble);
    let lines = head.into_iter().take(2).chain(rest);
    without_trailing_blanks(&lines.collect::<Vec<_>>().join("\n"))
}

fn without_trailing_blanks(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

fn root(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[track_caller]
fn compare(file: &str, rendered: &str) {
    let path = root(file);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, rendered).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let difference = kept
        .lines()
        .zip(rendered.lines())
        .enumerate()
        .find(|(_, (a, b))| a != b);
    assert!(
        kept == rendered,
        "{file} is not what the definition renders to, from here on:\n{difference:#?}\n\
         `BLESS=1 cargo test --test assets` rewrites it"
    );
}

/// What a tool says about a text, on either output; none when the tool is not installed.
fn output(tool: &str, options: &[&str], text: &str) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let run = Command::new(tool)
        .args(options)
        .arg(file.path())
        .stdin(Stdio::null())
        .output();
    match run {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&said).into_owned())
        }
        Err(error) => {
            println!("skipped: {tool}: {error}");
            None
        }
    }
}
