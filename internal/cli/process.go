package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"golang.org/x/term"
)

// Process runs the command line of this process and returns its exit code. The version may be empty when the linker set
// none.
func Process(version string) int {
	tuneMemory(os.Getenv)
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: find the working directory: %v\n", err)
		return exitFailure
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	stdout, stderr := int(os.Stdout.Fd()), int(os.Stderr.Fd())
	width, _, err := term.GetSize(stdout)
	if err != nil {
		width = 0
	}
	return Main(ctx, Env{
		Args:             os.Args,
		Stdin:            os.Stdin,
		Stdout:           os.Stdout,
		Stderr:           os.Stderr,
		Getenv:           os.Getenv,
		Dir:              dir,
		StdoutIsTerminal: term.IsTerminal(stdout),
		StderrIsTerminal: term.IsTerminal(stderr),
		Width:            width,
		Version:          versionName(version),
	})
}

// versionName is the release, else the module's version, else dev.
func versionName(release string) string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
