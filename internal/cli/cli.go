package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitClean      = 0
	exitViolations = 1
	exitFailure    = 2
)

// Env is what the outside world gives a command.
type Env struct {
	// Args are the arguments, beginning with the name that the program was called by.
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv looks an environment variable up; "" when it is not set.
	Getenv func(key string) string
	// Dir is the absolute working directory.
	Dir string
	// StdoutIsTerminal and StderrIsTerminal say whether a person looks at the stream while it is written.
	StdoutIsTerminal, StderrIsTerminal bool
	// Width of the terminal in columns; 0 when unknown.
	Width int
	// Version of the program.
	Version string
}

// Main runs the command that the arguments name and returns the exit code.
func Main(ctx context.Context, env Env) (exit int) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(env.Stderr, "error: internal error: %v\nhint: this is a bug in assay; please report it with what follows\n%s", cause, debug.Stack())
			exit = exitFailure
		}
	}()
	env.Stdin = interruptible{ctx, env.Stdin}
	root := newRoot(&env)
	root.SetArgs(arguments(env.Args))
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	command, err := root.ExecuteContextC(ctx)
	var outcome exitCode
	switch {
	case err == nil:
		return exitClean
	case errors.As(err, &outcome):
		return int(outcome)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	printError(env.Stderr, err, command)
	return exitFailure
}

// arguments are those after the program's name. Under the names of the Weave policy validator and of the Weave Policy
// Agent the program is what they were: the check command and the agent, which take long flags with one dash too.
func arguments(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	switch strings.TrimSuffix(filepath.Base(args[0]), ".exe") {
	case "weave-policy-validator", "weave-validator":
		return append([]string{"check"}, doubleDashes(args[1:])...)
	case "agent", "policy-agent":
		return append([]string{"agent"}, doubleDashes(args[1:])...)
	}
	return args[1:]
}

// exitCode ends a command that has already said everything.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// code is the error that ends a command with an exit code; nil for 0.
func code(c int) error {
	if c == exitClean {
		return nil
	}
	return exitCode(c)
}

// setUpLogging makes what libraries log go to the error stream from a level on. Helm and others know only the default
// logger.
func setUpLogging(stderr io.Writer, level string) error {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return badFlag("log-level", level, []string{"debug", "info", "warn", "error"})
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: l})))
	return nil
}

// printError writes an error for people, with hints on what to do.
func printError(w io.Writer, err error, command *cobra.Command) {
	message := strings.TrimRight(err.Error(), "\n")
	fmt.Fprintf(w, "error: %s\n", strings.ReplaceAll(message, "\n", "\n       "))
	var hinted interface{ Hint() string }
	var usage *usageError
	hint := ""
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	if errors.As(err, &usage) && command != nil {
		hint = strings.TrimLeft(hint+"\n", "\n") + fmt.Sprintf("`%s --help` explains the command", command.CommandPath())
	}
	for line := range strings.Lines(hint) {
		fmt.Fprintf(w, "hint: %s\n", strings.TrimSuffix(line, "\n"))
	}
}
