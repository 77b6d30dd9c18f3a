// Package cli is the command line: one file per command with its flags, its help and its exit code. Everything that a
// command touches (arguments, streams, environment, terminal) is handed in, so that tests run commands as people do.
//
// Exit codes are 0 when all is well, 1 when violations (or failed tests of policies) were found, and 2 when a command
// could not do its work.
package cli
