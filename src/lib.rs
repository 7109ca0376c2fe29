//! A netcat whose exit status can be trusted.
//!
//! ```text
//! argv ─cli─▶ Plan ─run─▶ Address ─net─▶ socket ─proxy─▶ Stream ┐
//!                                                               ├─ Link{ up: Pump, down: Pump } ─▶ Outcome ─▶ exit status
//!                           standard input and output ─▶ Stream ┘
//! ```
//!
//! # The evolution of a run
//!
//! A run begins as words. `cli` turns them into a [`plan::Plan`], and after that nobody asks whether
//! options go together. `run` tells the plan's story: names become addresses and addresses a
//! connected socket (`net`), under one deadline; if there is none, that may be tried again. If it
//! leads to a proxy, a handshake comes first (`proxy`), which leaves nothing behind but the bytes
//! that were read too many. The socket, and standard input and output beside it, become streams
//! (`stream`): two ways each, none of which ever waits. A `relay::Link` joins the two with a pump
//! for each direction. A pump passes on every byte once, in order, and then the end, once. What one
//! direction's end means for the other is decided in the link alone. Where many clients are served
//! at once, a `relay::Hub` takes the link's place: each of them has a turn, and an end, of its own.
//! All waiting is in one place (`event`). When the link is over, or a client of a hub, it leaves an
//! [`outcome::Outcome`], and one function makes the exit status of it; `report` says the rest in one
//! line. Where it is only asked who is there (`-z`), nothing is relayed: sockets are connected and
//! closed again, and an [`outcome::Survey`] is left.
//!
//! # The rooms
//!
//! A room uses only rooms below it; `tests/rooms.rs` looks after that.
//!
//! | room | what lives there |
//! |---|---|
//! | `main.rs` | arguments in, exit status out |
//! | [`cli`] | the words: options, help, and every rule about options that do not go together |
//! | [`run`] | one story a file |
//! | [`report`] | the only place that writes words for people |
//! | `relay` | pumps and links: moving bytes, and the end of data |
//! | `process` | another program in our place |
//! | `proxy` | what is said to a proxy before the payload, as state machines without I/O |
//! | `net` | looking up, connecting, listening; the options of sockets |
//! | `stream` | one interface for sockets, for standard input and output, and for what is put around them |
//! | `event` | waiting: the loop, deadlines, signals |
//! | `os` | what only one platform has |
//! | [`plan`], [`outcome`] | pure data, used by all |

pub mod cli;
mod event;
mod net;
mod os;
pub mod outcome;
pub mod plan;
mod process;
mod proxy;
mod relay;
pub mod report;
pub mod run;
mod stream;
