//! `serve`: where the explorer listens.

use clap::Args as Arguments;

/// Where to listen.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct ServeArgs {
    /// Name or address to listen on; anything but loopback lets others in, without a password
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port; 0 takes any that is free
    #[arg(long, value_name = "P", default_value_t = 8765)]
    pub(crate) port: u16,
    /// Open the page in the browser
    #[arg(long)]
    pub(crate) open: bool,
}
