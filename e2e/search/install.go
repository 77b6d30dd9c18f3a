package search

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Product is which server.
type Product string

// The products.
const (
	OpenSearch    Product = "opensearch"
	Elasticsearch Product = "elasticsearch"
)

// Products are all.
var Products = []Product{OpenSearch, Elasticsearch}

//go:embed opensearch elasticsearch
var sources embed.FS

// packages are Debian's, for what a machine lacks.
var packages = []string{"default-jdk-headless", "maven"}

// install makes the folder of a product, in e2e/bin, unless it is there: lib, modules and classes. It takes a JDK and Maven,
// and on Debian, as root, installs them.
func install(ctx context.Context, product Product) (string, error) {
	source, err := fs.Sub(sources, string(product))
	if err != nil {
		return "", err
	}
	entries, err := fs.ReadDir(source, ".")
	if err != nil {
		return "", fmt.Errorf("there is no search server %q: %w", product, err)
	}
	if err := provideJava(ctx); err != nil {
		return "", err
	}
	_, file, _, _ := runtime.Caller(0)
	cache := filepath.Join(filepath.Dir(filepath.Dir(file)), "bin", "search")
	sum := sha256.New()
	for _, entry := range entries {
		content, err := fs.ReadFile(source, entry.Name())
		if err != nil {
			return "", err
		}
		sum.Write(content)
	}
	home := filepath.Join(cache, string(product)+"-"+hex.EncodeToString(sum.Sum(nil)[:6]))
	if _, err := os.Stat(home); err == nil {
		return home, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	making, err := os.MkdirTemp(cache, "making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(making)
	if err := os.CopyFS(making, source); err != nil {
		return "", err
	}
	if err := run(ctx, making, "mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "dependency:copy-dependencies", "-DoutputDirectory=lib"); err != nil {
		return "", fmt.Errorf("fetching the jars of %s from Maven Central: %w", product, err)
	}
	if err := arrange(making); err != nil {
		return "", err
	}
	if err := run(ctx, making, "javac", "-classpath", "lib/*", "-d", "classes", "Server.java"); err != nil {
		return "", fmt.Errorf("compiling the launcher of %s: %w", product, err)
	}
	// Somebody else may have been first, with the same.
	if err := os.Rename(making, home); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return home, nil
}

// arrange makes Netty a module, with class loaders of its own, where a product wants that: where there is its descriptor.
func arrange(home string) error {
	const descriptor = "plugin-descriptor.properties"
	if _, err := os.Stat(filepath.Join(home, descriptor)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	module := filepath.Join(home, "modules", "transport-netty4")
	if err := os.MkdirAll(module, 0o755); err != nil {
		return err
	}
	moved := []string{filepath.Join(home, descriptor)}
	for _, pattern := range []string{"netty-*.jar", "transport-netty4-*.jar"} {
		jars, err := filepath.Glob(filepath.Join(home, "lib", pattern))
		if err != nil {
			return err
		}
		moved = append(moved, jars...)
	}
	for _, file := range moved {
		if err := os.Rename(file, filepath.Join(module, filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

func provideJava(ctx context.Context) error {
	missing := func() (names []string) {
		for _, program := range []string{"java", "javac", "mvn"} {
			if _, err := exec.LookPath(program); err != nil {
				names = append(names, program)
			}
		}
		return names
	}
	names := missing()
	if len(names) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("%q are not on the PATH: a search server needs a JDK of version 17 or newer and Maven; as root on Debian they would be installed now (%v)", names, packages)
	}
	for _, arguments := range [][]string{{"update", "-qq"}, append([]string{"install", "-qq", "--yes", "--no-install-recommends"}, packages...)} {
		if err := run(ctx, ".", "apt-get", arguments...); err != nil {
			return fmt.Errorf("installing %v: %w", packages, err)
		}
	}
	if names := missing(); len(names) > 0 {
		return fmt.Errorf("%q are not on the PATH although %v are installed", names, packages)
	}
	return nil
}

func run(ctx context.Context, dir, name string, arguments ...string) error {
	command := exec.CommandContext(ctx, name, arguments...)
	command.Dir = dir
	command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, output.Bytes())
	}
	return nil
}
