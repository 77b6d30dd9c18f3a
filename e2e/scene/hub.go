package scene

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// User is somebody with a password for the hub.
type User struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	// Sees is what, in words.
	Sees string `json:"sees"`
}

// users are those that the rights of the company speak of.
func users(password string) []User {
	all := []User{
		{Name: "platform", Sees: "everything, of every cluster"},
		{Name: "auditor", Sees: "everything, and changes nothing"},
		{Name: "web", Sees: "the workspace web: namespaces storefront and storefront-staging"},
		{Name: "nobody", Sees: "nothing"},
	}
	for i := range all {
		if all[i].Password = password; password == "" {
			all[i].Password = rand.Text()
		}
	}
	return all
}

// Hub is one that runs.
type Hub struct {
	// URL is where it serves.
	URL   string
	Users []User
	// Tokens are of the agents of other clusters, by the cluster.
	Tokens map[string]string

	arguments []string
	log       string
	process   *cluster.Process
}

// Fleet are the clusters beside the hub's own, which agents with tokens may send results of.
var Fleet = []string{"edge-eu", "edge-us", "production-us", "staging"}

// newHub writes what a hub is started with: the users and the tokens.
func newHub(ctx context.Context, c *cluster.Cluster, dir string, o Options) (*Hub, error) {
	h := &Hub{URL: "http://" + o.Listen, Users: users(o.Password), Tokens: map[string]string{}, log: filepath.Join(dir, "hub.log")}
	var passwords, tokens strings.Builder
	for _, u := range h.Users {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.DefaultCost)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&passwords, "%s:%s\n", u.Name, hash)
	}
	for _, name := range Fleet {
		h.Tokens[name] = rand.Text()
		sum := sha256.Sum256([]byte(h.Tokens[name]))
		fmt.Fprintf(&tokens, "- {cluster: %s, sha256: %s}\n", name, hex.EncodeToString(sum[:]))
	}
	files := map[string]string{"users": passwords.String(), "agent-tokens.yaml": tokens.String()}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	account, err := c.ServiceAccountKubeconfig(ctx, "assay-hub", "hub")
	if err != nil {
		return nil, err
	}
	h.arguments = append([]string{
		"hub", "--kubeconfig", account, "--data-dir", filepath.Join(dir, "hub"), "--listen", o.Listen, "--cluster", "production-eu",
		"--users", filepath.Join(dir, "users"), "--agent-tokens", filepath.Join(dir, "agent-tokens.yaml"),
	}, o.Arguments...)
	return h, nil
}

// start runs it, built from this checkout, and waits until it answers.
func (h *Hub) start(ctx context.Context) error {
	program, err := cluster.BuildAssay(ctx)
	if err != nil {
		return err
	}
	h.process, err = cluster.StartProcess("assay hub", h.log, exec.Command(program, h.arguments...)) //nolint:noctx // Stop ends it
	if err != nil {
		return err
	}
	return eventually(ctx, func() error {
		if h.process.Ended() {
			return fmt.Errorf("the hub ended: %s", h.process.Tail())
		}
		return h.get(ctx, "/readyz", nil)
	})
}

// get asks as the first user, who may see everything.
func (h *Hub) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+path, nil)
	if err != nil {
		return err
	}
	if into != nil {
		request.SetBasicAuth(h.Users[0].Name, h.Users[0].Password)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, response.Status, content)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(content, into)
}

// Restart builds it from this checkout as that is now, and starts it again with what it has kept. When it cannot be built, the old one goes on.
func (h *Hub) Restart(ctx context.Context) error {
	if _, err := cluster.BuildAssay(ctx); err != nil {
		return err
	}
	if err := h.process.Stop(); err != nil {
		return err
	}
	return h.start(ctx)
}

// Log is the file with its log.
func (h *Hub) Log() string { return h.log }
