package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Server is a node of one.
type Server struct {
	Product Product
	// URL is where it listens, such as http://127.0.0.1:40001.
	URL string

	command *exec.Cmd
	stdin   io.Closer
	done    chan error
}

// startTimeout is how long a node may take to listen.
const startTimeout = 3 * time.Minute

// Start installs a server if need be, starts it with its data in a folder, which it makes, and waits until it listens. It
// ends with Stop, or when this process does, however it ends.
func Start(ctx context.Context, product Product, data string) (*Server, error) {
	home, err := install(ctx, product)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(data, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command("java", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.disable.jmx=true",
		"-classpath", filepath.Join(home, "classes")+":"+filepath.Join(home, "lib", "*"), "Server", home, filepath.Join(data, "data"), "0")
	command.Dir, command.Stderr = data, log
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", product, err)
	}
	s := &Server{Product: product, command: command, stdin: stdin, done: make(chan error, 1)}
	port := make(chan string, 1)
	go func() {
		defer close(port)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if number, ok := strings.CutPrefix(lines.Text(), "port "); ok {
				port <- number
				break
			}
		}
		_, _ = io.Copy(io.Discard, stdout)
		s.done <- command.Wait()
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	select {
	case number, ok := <-port:
		if ok {
			s.URL = "http://127.0.0.1:" + number
			return s, nil
		}
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = s.Stop()
	said, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("waiting for %s to listen: %w\n%s", product, err, said[:min(len(said), 4000)])
}

// Stop ends the server, by force when it takes more than two minutes.
func (s *Server) Stop() error {
	_ = s.stdin.Close()
	select {
	case err := <-s.done:
		return err
	case <-time.After(2 * time.Minute):
		_ = s.command.Process.Kill()
		return fmt.Errorf("%s did not end and was killed: %w", s.Product, <-s.done)
	}
}
