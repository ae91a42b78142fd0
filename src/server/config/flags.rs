//! The command line.

use super::Command;
use clap::Parser;
use std::path::PathBuf;

/// The Seaworthy server: decides the writes of replicas, and leads them from checkpoint to checkpoint.
#[derive(Clone, Debug, Parser)]
#[command(name = "seaworthy-server", version)]
pub struct Flags {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "SEAWORTHY_CONFIG", default_value = "seaworthy.toml")]
    pub config: PathBuf,
    /// Where to listen, such as 127.0.0.1:8787. Port 0 takes a free one.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The database file.
    #[arg(long, global = true, value_name = "FILE")]
    pub database: Option<PathBuf>,
    /// The folder of migrations.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub migrations: Option<PathBuf>,
    /// A folder of static files to serve.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub www: Option<PathBuf>,
    /// For development only: anybody gets a token for any user at POST /dev/token.
    #[arg(long, global = true)]
    pub dev: bool,
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}
