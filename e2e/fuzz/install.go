// Package fuzz has Schemathesis, which asks an API what its OpenAPI document allows and what it does not, and a validator of such documents:
// both in a virtual environment of Python, from packages whose hashes are known.
package fuzz

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// requirements is written by `uv pip compile --universal --generate-hashes --python-version 3.11` from schemathesis and openapi-spec-validator.
//
//go:embed requirements.txt
var requirements []byte

// installed is made last in a folder that is whole.
const installed = "installed"

// Install makes the virtual environment in e2e/bin, unless it is there, and tells its folder of programs. It takes Python 3.11 or newer,
// and on Debian, as root, installs what is missing of it.
func Install(ctx context.Context) (string, error) {
	if err := providePython(ctx); err != nil {
		return "", err
	}
	sum := sha256.Sum256(requirements)
	home := filepath.Join(filepath.Dir(Folder()), "bin", "fuzz-"+hex.EncodeToString(sum[:6]))
	programs := filepath.Join(home, "bin")
	if _, err := os.Stat(filepath.Join(home, installed)); err == nil {
		return programs, nil
	}
	// Its programs know where they are, so that it cannot be made elsewhere and moved.
	if err := run(ctx, "python3", "-m", "venv", "--clear", home); err != nil {
		return "", err
	}
	file := filepath.Join(home, "requirements.txt")
	if err := os.WriteFile(file, requirements, 0o644); err != nil {
		return "", err
	}
	if err := run(ctx, filepath.Join(programs, "pip"), "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:", "-r", file); err != nil {
		return "", fmt.Errorf("fetching Schemathesis from PyPI: %w", err)
	}
	return programs, os.WriteFile(filepath.Join(home, installed), nil, 0o644)
}

// Folder is where schemathesis.toml and hooks.py are.
func Folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

func providePython(ctx context.Context) error {
	there := func() error {
		return run(ctx, "python3", "-c", "import ensurepip, venv, sys; assert sys.version_info >= (3, 11)")
	}
	missing := there()
	if missing == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("fuzzing the API needs Python 3.11 or newer with venv, which is python3-venv on Debian and would be installed there as root: %w", missing)
	}
	for _, arguments := range [][]string{{"update", "-qq"}, {"install", "-qq", "--yes", "--no-install-recommends", "python3", "python3-venv"}} {
		if err := run(ctx, "apt-get", arguments...); err != nil {
			return fmt.Errorf("installing python3-venv: %w", errors.Join(err, missing))
		}
	}
	return there()
}

func run(ctx context.Context, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output.Bytes())
	}
	return nil
}
