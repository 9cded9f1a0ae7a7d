//! `data list` and `data fetch`.

use clap::{Args as Arguments, Subcommand};

#[derive(Debug, Clone, Arguments)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DataCommand {
    /// The data sets known by name, and which of them are here
    List,
    /// Fetch data sets into the cache folder (the variable FIRSTGUESS_DATA names another one)
    Fetch(FetchArgs),
}

#[derive(Debug, Clone, Arguments)]
pub(crate) struct FetchArgs {
    /// Names of data sets: mnist, fashion_mnist, cifar10
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}
