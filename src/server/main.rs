//! `seaworthy-server`: reads the configuration, binds, and runs; or says what it would make of it.

use clap::Parser;
use seaworthy_server::{
    Server,
    config::{Command, Config, Flags, LogFormat},
    inspect::{Answer, check, explain},
};
use std::{
    error::Error,
    io::{IsTerminal, Write},
    process::ExitCode,
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seaworthy-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let config = Config::load(flags)?;
    start_log(config.log, if flags.command.is_some() { "warn" } else { "info" });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &flags.command {
            None => serve(&config).await,
            Some(Command::Check { json }) => print(&check(&config).await?, *json),
            Some(Command::Explain(flags)) => print(&explain(&config, flags).await?, flags.json),
        }
    })
}

async fn serve(config: &Config) -> Result<(), Box<dyn Error>> {
    if config.dev {
        tracing::warn!("DEVELOPMENT MODE: anybody who can reach this server gets a token for any user. Never expose it to a network");
    }
    let server = Server::open(config).await?;
    // For people and for scripts that wait; a closed standard output is no reason to stop.
    let _ = writeln!(std::io::stdout(), "seaworthy-server listens on http://{}", server.address()?);
    Ok(server.run().await?)
}

fn print(answer: &impl Answer, json: bool) -> Result<(), Box<dyn Error>> {
    let text = if json { answer.to_json()? } else { answer.to_string() };
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// The log goes to standard error. `RUST_LOG` chooses what is in it, but no more than `debug`: the WebSocket
/// library writes whole frames, and so tokens, at `trace`.
fn start_log(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::registry().with(LevelFilter::DEBUG).with(filter);
    let lines = tracing_subscriber::fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with(lines).init(),
        LogFormat::Json => log.with(lines.json()).init(),
    }
}
