//! The explorer: a page in which phases, depth profiles and first guesses can be moved about, and the JSON API behind it.
//!
//! [`Server`] listens on loopback unless told otherwise. Nothing is computed here: theory, ensembles and reports are the
//! library's (docs/explorer.md has the API, its limits, and what keeps strangers out).

mod assets;
mod cache;
mod error;
mod guard;
mod jobs;
mod lanes;
mod limits;
mod routes;
mod server;
mod setting;
mod state;
mod theory;
mod uploads;

pub use server::{Options, ServeError, Server};

/// The JSON Schema of every answer, as `/api/schema` gives it.
pub const SCHEMA: &str = include_str!("schema.json");

/// Version of the API; it rises when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;
