//! `flags.md`

use clap::{Arg, Command, CommandFactory as _};
use defender_tenant_operator::cli::Cli;

use crate::markdown::{code, head, table};

pub fn page() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut text = head(
        "Flags",
        "The command line of `defender-tenant-operator`. Each flag is also an environment variable; the flag wins. \
         Exit codes: 2 for a bad configuration. Of `run`, 0 after SIGTERM and 1 if it can't go on, for a permission \
         that was taken away say; of `doctor` and `smoke-test`, 0 if all is well and 1 if something isn't \
         ([more](../doctor.md)).",
    );
    for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
        text += &subcommand(command);
    }
    text
}

fn subcommand(command: &Command) -> String {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut text = format!(
        "\n## {}\n\n{}.\n",
        command.get_name(),
        about.trim_end_matches('.')
    );
    let rows: Vec<_> = command
        .get_arguments()
        .filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"))
        .map(row)
        .collect();
    if !rows.is_empty() {
        text += &table(["flag", "environment", "default", "meaning"], &rows);
    }
    text
}

fn row(arg: &Arg) -> [String; 4] {
    let names = arg.get_value_names().unwrap_or_default();
    let values: Vec<_> = names.iter().map(ToString::to_string).collect();
    let flag = format!(
        "--{} {}",
        arg.get_long().unwrap_or_default(),
        values.join(" ")
    );
    let env = arg
        .get_env()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|v| v.to_string_lossy())
        .collect();
    let default = if defaults.is_empty() {
        "–".to_owned()
    } else {
        code(&defaults.join(","))
    };
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let listed: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|v| code(v.get_name()))
        .collect();
    let is_switch = values.iter().any(|value| value.contains('|'));
    if !listed.is_empty() && !is_switch {
        help = format!("{}: {}", help.trim_end_matches('.'), listed.join(", "));
    }
    [code(flag.trim_end()), code(env), default, help]
}
