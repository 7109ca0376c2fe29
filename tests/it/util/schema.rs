//! What `--json` writes, held against the schema that promises it.

use jsonschema::Validator;
use serde_json::Value;

const PORT: &str = include_str!("../port.schema.json");

/// Results of ports that were tested.
pub struct PortLines(Validator);

impl PortLines {
    /// With the schema of this directory.
    pub fn new() -> Self {
        let schema = serde_json::from_str(PORT).unwrap();
        Self(jsonschema::draft202012::new(&schema).unwrap())
    }

    /// Reads lines, each of which has to be an object as the schema says.
    #[track_caller]
    pub fn read(&self, stdout: &[u8]) -> Vec<Value> {
        let text = str::from_utf8(stdout).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
        text.lines()
            .map(|line| self.parse(line).unwrap_or_else(|why| panic!("{why}")))
            .collect()
    }

    fn parse(&self, line: &str) -> Result<Value, String> {
        let value = serde_json::from_str(line).map_err(|e| format!("{line:?}: {e}"))?;
        match self.0.validate(&value) {
            Ok(()) => Ok(value),
            Err(e) => Err(format!("{line}: {}: {e}", e.instance_path())),
        }
    }
}

const OPEN: &str = r#"{"host":"h","address":"127.0.0.1","port":80,"protocol":"tcp","service":"http","state":"open","rtt":4.3e-5,"error":null}"#;

#[test]
fn lines_as_they_should_be_are_read() {
    let lines = PortLines::new();
    assert!(lines.read(b"").is_empty());
    let read = lines.read(format!("{OPEN}\n{OPEN}\n").as_bytes());
    assert_eq!(read.len(), 2);
    assert_eq!(read[0]["port"], 80);
    let more = OPEN.replace('}', r#","banner":null,"try":3}"#);
    assert_eq!(lines.read(format!("{more}\n").as_bytes())[0]["try"], 3);
}

#[test]
fn lines_that_break_the_promise_are_found() {
    let lines = PortLines::new();
    assert!(lines.parse(OPEN).is_ok());
    for (from, to) in [
        (r#""state":"open""#, r#""state":"opened""#),
        (r#""state":"open""#, r#""state":"error""#),
        (r#""state":"open""#, r#""state":"open|filtered""#),
        (r#""error":null"#, r#""error":"Connection refused""#),
        (r#""error":null"#, r#""error":null,"more":1"#),
        (r#""error":null"#, r#""error":null,"try":0"#),
        (r#","error":null"#, ""),
        (r#""port":80"#, r#""port":65536"#),
        (r#""port":80"#, r#""port":null"#),
        (r#""port":80"#, r#""port":"80""#),
        (r#""rtt":4.3e-5"#, r#""rtt":-1"#),
        (r#""protocol":"tcp""#, r#""protocol":"unix""#),
        (
            r#""address":"127.0.0.1""#,
            r#""address":"127.0.0.1 port 80""#,
        ),
    ] {
        let broken = OPEN.replace(from, to);
        assert_ne!(broken, OPEN, "{from}");
        assert!(lines.parse(&broken).is_err(), "{broken}");
    }
}
