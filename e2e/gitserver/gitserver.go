// Package gitserver serves Git repositories over HTTP on loopback: Git's own server (git http-backend, which comes with git) behind
// a listener of ours, so that Flux clones and fetches as it would from a hosting service.
package gitserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Branch that repositories have.
const Branch = "main"

// Server serves repositories until it is closed.
type Server struct {
	folder string
	server *http.Server
	url    string

	// committing: one commit at a time.
	committing sync.Mutex
}

// Start serves the repositories in a folder, which is empty or was a server's before. It needs git on the PATH.
func Start(ctx context.Context, folder string) (*Server, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	execPath, err := git(ctx, folder, "--exec-path")
	if err != nil {
		return nil, err
	}
	backend := filepath.Join(execPath, "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return nil, fmt.Errorf("looking for Git's HTTP server, which Debian's package git has: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		folder: folder, url: "http://" + listener.Addr().String(),
		server: &http.Server{
			ReadHeaderTimeout: time.Minute,
			Handler:           &cgi.Handler{Path: backend, Dir: folder, Env: []string{"GIT_PROJECT_ROOT=" + folder, "GIT_HTTP_EXPORT_ALL=1"}},
		},
	}
	go s.server.Serve(listener) //nolint:errcheck // it ends with Close
	return s, nil
}

// Close ends the server and leaves the folder.
func (s *Server) Close() error { return s.server.Close() }

// URL of a repository, which need not exist yet.
func (s *Server) URL(repository string) string { return s.url + "/" + repository + ".git" }

// repositoryName is a path of plain names.
var repositoryName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*$`)

// Commit makes the tree of a repository exactly these files, by their paths, and returns the commit's hash. The repository is made
// with its first commit.
func (s *Server) Commit(ctx context.Context, repository, message string, files map[string]string) (string, error) {
	s.committing.Lock()
	defer s.committing.Unlock()
	if !repositoryName.MatchString(repository) {
		return "", fmt.Errorf("%q is not the name of a repository: use lower-case letters, digits and dashes", repository)
	}
	bare := filepath.Join(s.folder, repository+".git")
	if _, err := os.Stat(bare); errors.Is(err, os.ErrNotExist) {
		if _, err := git(ctx, s.folder, "init", "--quiet", "--bare", "--initial-branch", Branch, bare); err != nil {
			return "", err
		}
	}
	tree, err := os.MkdirTemp("", "commit-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tree)
	for name, content := range files {
		if !filepath.IsLocal(name) {
			return "", fmt.Errorf("%q leads out of the repository", name)
		}
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // what is committed is public
			return "", err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil { //nolint:gosec // what is committed is public
			return "", err
		}
	}
	for _, arguments := range [][]string{
		{"symbolic-ref", "HEAD", "refs/heads/" + Branch},
		{"add", "--all", "."},
		{"-c", "user.name=e2e", "-c", "user.email=e2e@example.org", "commit", "--quiet", "--allow-empty", "--message", message},
	} {
		if _, err := git(ctx, tree, append([]string{"--git-dir", bare, "--work-tree", tree}, arguments...)...); err != nil {
			return "", err
		}
	}
	return git(ctx, tree, "--git-dir", bare, "rev-parse", Branch)
}

// git runs git without the configuration of whoever runs the tests.
func git(ctx context.Context, folder string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", arguments...) //nolint:gosec // from the tests
	command.Dir = folder
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
