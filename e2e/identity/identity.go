// Package identity runs a real identity provider for tests, as a process on loopback: the OpenID Connect library that Zitadel is made of, which
// is certified, from its module (server/go.mod). Dex is in no module that can be had in a version of the last years.
package identity

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/assay-gitops/assay/e2e/cluster"
)

// The clients: a public one, which must use PKCE, and one with a secret.
const (
	Public = "public"
	Secret = "secret"
)

// Provider is one that can be stopped and started. Its users are red, of the group team-red, and stranger; their passwords are their names.
type Provider struct {
	// Issuer is its URL, also before it is started.
	Issuer            string
	binary, log       string
	address, redirect string
	process           *cluster.Process
}

// New builds it, which takes half a minute the first time. It leads back to a URL, and its log is in a folder.
func New(ctx context.Context, dir, redirect string) (*Provider, error) {
	module, err := cluster.ModuleFolder(ctx)
	if err != nil {
		return nil, err
	}
	p := &Provider{binary: filepath.Join(module, "bin", "identity-provider"), log: filepath.Join(dir, "identity-provider.log"), redirect: redirect}
	if err := cluster.GoBuild(ctx, filepath.Join(module, "identity", "server"), "-trimpath", "-o", p.binary, "."); err != nil {
		return nil, err
	}
	addresses, err := cluster.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	p.address = addresses[0]
	p.Issuer = "http://" + p.address
	return p, nil
}

// Start starts it, without anything that it knew before, and waits until it answers.
func (p *Provider) Start(ctx context.Context) error {
	var err error
	p.process, err = cluster.StartProcess("identity-provider", p.log, exec.Command(p.binary, "-listen", p.address, "-redirect", p.redirect)) //nolint:noctx // Stop ends it
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Issuer+"/.well-known/openid-configuration", nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			return response.Body.Close()
		}
		if p.process.Ended() || ctx.Err() != nil {
			return fmt.Errorf("the identity provider does not answer: %s", p.process.Tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Stop ends it.
func (p *Provider) Stop() error { return p.process.Stop() }
