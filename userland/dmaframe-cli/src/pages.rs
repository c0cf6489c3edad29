// SPDX-License-Identifier: MIT OR Apache-2.0
//! The manual pages and shell completions in `man/` and `completions/`, which packages install.
//!
//! They are generated from the definition of the command line. A test fails when they differ from
//! it; this writes them again:
//!
//! ```text
//! UPDATE_PAGES=1 cargo test --package dmaframe-cli pages
//! ```

use crate::command::Cli;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const NAME: &str = "dmaframe";
const EXIT_STATUS: &str = ".SH \"EXIT STATUS\"\n\
    .TP\n\\fB0\\fR\nSuccess. Ctrl-C, SIGTERM, and a reader of standard output that closes it, are \
    ordinary ends.\n\
    .TP\n\\fB1\\fR\nFailure: the message on standard error names the reason. stream also \
    fails if a frame was wrong, the engine reported an error, a due frame did not come, or \
    fewer frames than requested came. A second Ctrl-C ends the program at once, with this status.\n\
    .TP\n\\fB2\\fR\nWrong usage.\n\
    .SH ENVIRONMENT\n\
    .TP\n\\fBNO_COLOR\\fR\nIf it is set and not empty, nothing is printed in colour.\n";

/// The files, by their paths in the package.
fn generate() -> BTreeMap<PathBuf, Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut files = BTreeMap::new();
    let source = format!("{NAME} {}", command.get_version().unwrap_or_default());
    let mut add = |page: &Command, name: String| {
        let mut text = Vec::new();
        let man = clap_mangen::Man::new(page.clone()).title(name.clone()).source(source.clone());
        man.render(&mut text).unwrap();
        text.extend_from_slice(EXIT_STATUS.as_bytes());
        files.insert(Path::new("man").join(format!("{name}.1")), text);
    };
    // A page of its own for each subcommand, as git has it.
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        add(subcommand, format!("{NAME}-{}", subcommand.get_name()));
    }
    add(&command, NAME.to_owned());
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
        let file = match shell {
            Shell::Bash => format!("{NAME}.bash"),
            Shell::Zsh => format!("_{NAME}"),
            _ => format!("{NAME}.fish"),
        };
        files.insert(Path::new("completions").join(file), text);
    }
    files
}

#[test]
fn pages_match_the_command_line() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, text) in generate() {
        let file = package.join(&path);
        if std::env::var_os("UPDATE_PAGES").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let found = fs::read(&file).unwrap_or_default();
        assert!(found == text, "{} is out of date: UPDATE_PAGES=1 writes it", path.display());
    }
}

#[test]
fn pages_name_every_subcommand_and_option() {
    let files = generate();
    let page = |name: &str| {
        let text = &files[&Path::new("man").join(format!("{name}.1"))];
        String::from_utf8(text.clone()).unwrap().replace('\\', "")
    };
    let mut command = Cli::command();
    command.build();
    let overview = page(NAME);
    for subcommand in command.get_subcommands().filter(|it| it.get_name() != "help") {
        let name = subcommand.get_name();
        assert!(overview.contains(name), "{name}");
        let text = page(&format!("{NAME}-{name}"));
        for option in subcommand.get_arguments().filter_map(|it| it.get_long()) {
            assert!(text.contains(&format!("--{option}")), "{name} --{option}");
        }
        assert!(text.contains("EXIT STATUS"), "{name}");
    }
}
